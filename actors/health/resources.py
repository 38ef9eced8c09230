"""Measures CPU and memory of the machine and of the instance's processes, and free disk, for HealthMonitor and gateway."""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from actors.media.store import room_for_files
from actors.runtime.limits.disk_floor import free_bytes
from actors.runtime.limits.limit_uses import FILES_FULL, STORE_FULL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.runtime.limits.limit_uses import LimitUse
    from actors.state.tenants.store_floor import StoreFloor

PROCESSES_FILE = "processes.json"  # written by the keeper: role and pid of what it started


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu`, `memory` and `own_cpu` are percent of the machine, `own_memory` is bytes.

    `own_memory` sums what is resident, so that memory shared by processes counts more than once.
    `disk` is how many bytes are left where there are fewest, `room` how many files of messages may
    still take (`files_room`); both None where nobody can say. `low`: they are below the `StoreFloor`. `limits` are the
    uses of the limits of the state store and of files, `unread` the alerts about limits whose uses could not be read.
    """

    cpu: float
    memory: float
    own_cpu: float
    own_memory: int
    processes: int
    disk: int | None
    room: int | None = None
    low: bool = False
    limits: tuple[LimitUse, ...] = ()
    unread: frozenset[str] = frozenset()


class Resources:
    """Each `measure` covers the time since the one before; blocking (it reads ``/proc``)."""

    def __init__(
        self,
        data: Path,
        places: Iterable[Path],
        room: Callable[[], int | None],
        floor: StoreFloor | None = None,
        files: Callable[[], tuple[LimitUse, ...] | None] = tuple,
    ) -> None:
        """`places` are files and directories that may lie on other disks than `data`.

        `room` returns the bytes that files of messages may still take (`files_room`), `files` the uses of their limit
        (`files_uses`).
        """
        self._data, self._room, self._floor, self._files = data, room, floor, files
        self._places = (data, *places)
        self._spent: dict[tuple[int, float], float] = {}  # (pid, start) -> CPU seconds
        self._at = time.monotonic()
        self._times = psutil.cpu_times()

    def measure(self, owners: Iterable[int] = ()) -> Usage:
        """`owners` are pids of this instance that the keeper does not know (the actors)."""
        roots = [psutil.Process().pid, *owners, *started(self._data / PROCESSES_FILE)]
        spent: dict[tuple[int, float], float] = {}
        resident = 0
        for process in trees(roots):
            with suppress(psutil.Error):  # it ended while we looked
                with process.oneshot():
                    times = process.cpu_times()
                    key = (process.pid, process.create_time())
                    resident += process.memory_info().rss
                spent[key] = times.user + times.system
        now = time.monotonic()
        passed, self._at = max(now - self._at, 1e-3), now
        used = sum(total - self._spent[key] for key, total in spent.items() if key in self._spent)
        self._spent = spent
        low = self._floor is not None and self._floor.look()
        uses = {
            STORE_FULL: () if self._floor is None else self._floor.uses,
            FILES_FULL: self._files(),
        }
        machine, before = psutil.cpu_times(), self._times
        self._times = machine
        cores = psutil.cpu_count() or 1
        return Usage(
            cpu=busy(before, machine),
            memory=psutil.virtual_memory().percent,
            own_cpu=max(0.0, min(100.0, 100 * used / passed / cores)),
            own_memory=resident,
            processes=len(spent),
            disk=left(self._places),
            room=self._room(),
            low=low,
            limits=tuple(use for found in uses.values() for use in found or ()),
            unread=frozenset(alert for alert, found in uses.items() if found is None),
        )


def busy(before: Any, after: Any) -> float:
    """Percent of the machine's time between two `psutil.cpu_times` that was not idle.

    `psutil.cpu_percent` goes by the last call of the same thread, and a look is any thread's.
    """
    passed = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
    # On Linux what guests use is in `user` and `nice` already.
    total = sum(passed.values()) - passed.get("guest", 0.0) - passed.get("guest_nice", 0.0)
    idle = passed["idle"] + passed.get("iowait", 0.0)
    return max(0.0, min(100.0, 100 * (total - idle) / total)) if total > 0 else 0.0


def trees(roots: Iterable[int]) -> Iterator[psutil.Process]:
    """The processes with these pids and all below them, each once; all processes are read once."""
    every: dict[int, psutil.Process] = {}
    below: dict[int, list[int]] = defaultdict(list)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            below[process.ppid()].append(process.pid)
            every[process.pid] = process
    wanted = list(roots)
    while wanted:
        pid = wanted.pop()
        if (found := every.pop(pid, None)) is not None:
            yield found
            wanted += below[pid]


@dataclass(frozen=True, slots=True)
class Disk:
    """Sizes of a disk, in bytes."""

    free: int
    size: int


def left(places: Iterable[Path]) -> int | None:
    """The bytes that are free on the fullest of the disks of these places."""
    disk = fullest(places)
    return None if disk is None else disk.free


def files_room(settings: Settings) -> int | None:
    """Return the bytes that files of messages may still take: those free on their disk beyond DISK_RESERVE."""
    try:
        return room_for_files(_existing(settings.media), settings.current().disk_reserve)
    except OSError:
        return None


def fullest(places: Iterable[Path]) -> Disk | None:
    """The disk with the least left, of those on which these places are."""
    disks = []
    for place in places:
        with suppress(OSError):
            there = _existing(place)
            disks.append(Disk(free_bytes(there), shutil.disk_usage(there).total))
    return min(disks, key=lambda disk: disk.free, default=None)


def _existing(place: Path) -> Path:
    """The place, or the nearest directory above it that exists."""
    there = place.resolve()
    while not there.exists():
        there = there.parent
    return there


def started(path: Path) -> list[int]:
    """The pids in the keeper's file; none where it is missing or being written."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    rows = content.get("processes", []) if isinstance(content, dict) else content
    return [row["pid"] for row in rows if isinstance(row, dict) and isinstance(row.get("pid"), int)]
