"""Writes and reads files that list an instance's actors and OS processes, and the root actor's heartbeat file.

A pid alone does not identify a process, since the system reuses pids. Each entry therefore has the
start of its process, and `read` returns it only while that process lives.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from actors.runtime import host_identity
from actors.runtime.processes import start_of
from actors.runtime.record_files import RecordFile

if TYPE_CHECKING:
    from collections.abc import Iterable

TREE_FILE = Path("run") / "tree.json"
BEAT = Path("run/root.beat")
ENTRY_SILENCE_SECONDS = 15.0
"""Seconds without a heartbeat after which entries of other hosts no longer count."""


@dataclass(frozen=True)
class ProcessEntry:
    """One process. `started` is opaque: equal as long as the pid belongs to the same process.

    `node`: the host of the process (`host_identity.here()`); None is this host.
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
        """Returns the entry of a living process; ``None`` without a process of that pid.

        A process of another `node` is not checked: the caller found it living.
        """
        here = host_identity.here()
        if node not in {None, here}:
            return cls(role, pid, "", connection, node)
        started = start_of(pid)
        return None if started is None else cls(role, pid, started, connection, here)

    @property
    def here(self) -> bool:
        """Returns whether the process is, or was, on this host."""
        return self.node in {None, host_identity.here()}

    @property
    def host(self) -> str:
        """Returns the name of its host."""
        return (self.node or host_identity.here()).partition("/")[0]

    @property
    def alive(self) -> bool:
        """Returns whether this process lives; a zombie or another process with the pid does not count.

        A process on another host counts as dead here: see `read`.
        """
        started = start_of(self.pid) if self.here else None
        # Entries by another host have no start time.
        return started is not None and self.started in {"", started}


def write(data: Path, entries: Iterable[ProcessEntry], file: Path = TREE_FILE) -> None:
    """Replaces the list in `data` atomically: a reader gets the old one or the new one."""
    RecordFile(ProcessEntry, file).write(data, entries)


def read(data: Path, file: Path = TREE_FILE) -> list[ProcessEntry]:
    """Returns the entries of living processes; none without a readable file.

    Entries of other hosts count while the heartbeat of the root is recent.
    """
    entries = RecordFile(ProcessEntry, file).read(data)
    shown = any(not entry.here for entry in entries) and _root_shows(data)
    return [entry for entry in entries if (entry.alive if entry.here else shown)]


def names_any(data: Path, file: Path = TREE_FILE) -> bool:
    """Returns whether the list has an entry, living or dead: a stop leaves none, a `kill -9` does."""
    return bool(RecordFile(ProcessEntry, file).read(data))


def beat(data: Path) -> None:
    """Writes the heartbeat of the root's main loop; needs space on the disk only the first time."""
    (data / BEAT).parent.mkdir(parents=True, exist_ok=True)
    (data / BEAT).touch()


def last_beat(data: Path) -> int | None:
    """Returns a number that changes with each `beat`; ``None`` before the first."""
    try:
        return (data / BEAT).stat().st_mtime_ns
    except OSError:
        return None


def _root_shows(data: Path) -> bool:
    beat = last_beat(data)
    return beat is not None and time.time() - beat / 1e9 < ENTRY_SILENCE_SECONDS
