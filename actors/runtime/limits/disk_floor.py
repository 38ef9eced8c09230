"""Looks, once a second at most, whether a disk has less free than the part of DISK_RESERVE that messages may not take."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from actors.runtime.limits.limits import disk_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.runtime.limits.limits import LimitReached

DISK_CHECK_SECONDS: Final = 1.0
"""Seconds between two looks; messages that are taken meanwhile fit into what is left."""

LOOK_TIMEOUT: Final = 1.0
"""Seconds that a look may take before messages go on without it."""

ACCEPTED_PART: Final = 4
"""The part of DISK_RESERVE that is for Redis, leases and what was accepted before: one of so many."""


LEAST_FILE_BYTES: Final = 16 * 2**10
"""Bytes that a file counts at least, as it uses up an inode: most disks have one for so many bytes."""


def counted_bytes(size: int) -> int:
    """Return the bytes that a file of this size counts in budgets and quotas."""
    return max(size, LEAST_FILE_BYTES)


def free_bytes(place: Path | int) -> int:
    """Return the bytes that are free on the disk of a path or descriptor, without those that are for root alone.

    Where a smaller share of its inodes is free, that share of the disk: files of a byte each use it up as large ones do.
    Raises OSError.
    """
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    if not disk.f_files:  # its inodes have no number
        return free
    return min(free, disk.f_blocks * disk.f_frsize * disk.f_favail // disk.f_files)


class DiskFloor:
    """A quarter of DISK_RESERVE, on the disks of some places; below it no new message is taken (G13).

    The last look counts until the next, also where a disk cannot be looked at.
    """

    def __init__(self, places: Iterable[Path], reserve: Callable[[], int]) -> None:
        """`reserve` returns DISK_RESERVE as it is now; it is called with each look."""
        self._places = tuple(places)
        self._reserve = reserve
        self._looking: asyncio.Future[bool] | None = None
        self._began = 0.0
        self._size = 0
        self.reached = False

    @classmethod
    def of(cls, settings: Settings, *places: Path) -> Self:
        """Return that of the data directory, and of these places beside it."""
        return cls((settings.data, *places), lambda: settings.current().disk_reserve)

    @property
    def refusal(self) -> LimitReached:
        """The refusal of a caller below it."""
        return disk_limit(self._size).reached("instance")

    def look(self) -> bool:
        """Look at the disks; whether one has less left. Blocking."""
        self._size = self._reserve() // ACCEPTED_PART
        free = []
        for place in self._places:
            with suppress(OSError):
                free.append(free_bytes(place))
        if free:
            self.reached = min(free) < self._size
        return self.reached

    async def lately(self) -> bool:
        """Return what a look in a thread found that is no older than `DISK_CHECK_SECONDS`.

        Where the disks do not answer within `LOOK_TIMEOUT` the one before counts, and no other begins.
        """
        now = time.monotonic()
        if self._looking is None or (
            self._looking.done() and now - self._began >= DISK_CHECK_SECONDS
        ):
            self._began = now
            self._looking = asyncio.ensure_future(asyncio.to_thread(self.look))
        if not self._looking.done():
            left = max(0.0, self._began + LOOK_TIMEOUT - now)
            await asyncio.wait((self._looking,), timeout=left)
        return self._looking.result() if self._looking.done() else self.reached

    async def room(self) -> None:
        """Return once no disk has less left; one is looked at every `DISK_CHECK_SECONDS`."""
        while await self.lately():  # noqa: ASYNC110 - a disk reports nothing
            await asyncio.sleep(DISK_CHECK_SECONDS)

    async def run(self) -> None:
        """Look in a thread every `DISK_CHECK_SECONDS`, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(DISK_CHECK_SECONDS)
