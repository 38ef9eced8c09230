"""Lists the processes of an instance in files that need neither Ray nor Redis to be read.

A pid alone names nobody: it may have been given to a stranger since. Every entry therefore carries
the start of its process, and whoever reads an entry gets it only while that very process lives.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from actors.runtime import hosts
from actors.runtime.atomic_files import write_atomically
from actors.runtime.processes import start_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TREE = Path("run") / "tree.json"
BEAT = Path("run/root.beat")
SILENCE = 15.0
"""Seconds without a beat after which the root's word on other hosts no longer counts."""


@dataclass(frozen=True)
class Entry:
    """One process. `started` is opaque: equal for as long as the pid means the same process.

    `node` is where the process runs (`hosts.here()`), None in the files of an older release: here.
    """

    role: str
    pid: int
    started: str
    connection: str | None = None
    node: str | None = None

    @classmethod
    def of(
        cls, role: str, pid: int, connection: str | None = None, node: str | None = None
    ) -> Self | None:
        """The entry of a process that lives now; ``None`` when there is none of that pid.

        Nobody can see from here whether a process of another `node` lives: who asks knows it.
        """
        here = hosts.here()
        if node not in {None, here}:
            return cls(role, pid, "", connection, node)
        started = start_of(pid)
        return None if started is None else cls(role, pid, started, connection, here)

    @property
    def here(self) -> bool:
        """Whether the process is, or was, on this host."""
        return self.node in {None, hosts.here()}

    @property
    def alive(self) -> bool:
        """Whether this very process lives; a zombie and a pid's next holder do not count.

        One on another host cannot be seen: see `read`.
        """
        started = start_of(self.pid) if self.here else None
        # Who wrote it from another host could not see when it started.
        return started is not None and self.started in {"", started}


def write(data: Path, entries: Iterable[Entry], file: Path = TREE) -> None:
    """Replace the roster in `data` atomically: a reader sees the old one or this one."""
    target = data / file
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, json.dumps([_plain(entry) for entry in entries], indent=1))


def read(data: Path, file: Path = TREE) -> list[Entry]:
    """The entries whose processes live; none when nothing was written or nothing can be read.

    For those on other hosts the root's word counts, for as long as it shows that it lives.
    """
    entries = _written(data, file)
    told = any(not entry.here for entry in entries) and _root_shows(data)
    return [entry for entry in entries if (entry.alive if entry.here else told)]


def names_any(data: Path, file: Path = TREE) -> bool:
    """Whether it names a process, living or dead: a stop leaves it empty, a `kill -9` does not."""
    return bool(_written(data, file))


def beat(data: Path) -> None:
    """Show that the root's main loop runs; needs no room on the disk but the first time."""
    (data / BEAT).parent.mkdir(parents=True, exist_ok=True)
    (data / BEAT).touch()


def last_beat(data: Path) -> int | None:
    """A number that changes with each `beat`; ``None`` before the first."""
    try:
        return (data / BEAT).stat().st_mtime_ns
    except OSError:
        return None


def _written(data: Path, file: Path) -> list[Entry]:
    try:
        return [Entry(**plain) for plain in json.loads((data / file).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def _plain(entry: Entry) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": entry.role, "pid": entry.pid, "started": entry.started}
    if entry.connection is not None:
        plain["connection"] = entry.connection
    if entry.node is not None:
        plain["node"] = entry.node  # who reads it may be on another host than who writes it
    return plain


def _root_shows(data: Path) -> bool:
    beat = last_beat(data)
    return beat is not None and time.time() - beat / 1e9 < SILENCE
