"""Looks, beside the floor of a disk, at the bytes that each connection keeps in a SQLite state store on it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from actors.runtime.limits.disk_floor import DiskFloor
from actors.runtime.limits.limits import LimitReached
from actors.state.sqlite.stored_bytes import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.runtime.limits.quotas import Quota


class StoreFloor(DiskFloor):
    """A `DiskFloor`, and for each connection the end of its quota of the state store (G13).

    One that has all of it is refused by itself. Where the quota has no total, nobody is while the disk has DISK_RESERVE
    free. With less there is a total: what all have, and what they may still take. Half of it is reserved in equal parts
    for the connections that there are, so that a single one is refused where the disk's floor is, and of several those
    that left the others no more than their parts.

    Made for a `connection`, it is reached where that has all of it too. A store that is elsewhere is not looked at, and
    of one that cannot be read the last look counts.
    """

    def __init__(
        self, settings: Settings, places: Iterable[Path], connection: str | None = None
    ) -> None:
        super().__init__((settings.data, *places), self._read_settings)
        self._settings = settings
        self._connection = connection
        self._low = False
        self._used: dict[str, int] = {}
        self._living: frozenset[str] = frozenset()
        self._quota: Quota = settings.store_quota

    @classmethod
    def of(cls, settings: Settings, *places: Path, connection: str | None = None) -> Self:
        """Return that of the data directory, and of these places beside it."""
        return cls(settings, places, connection)

    def look(self) -> bool:
        """Look at the disks, and at the store; whether a disk has less left, or the connection has its quota. Blocking."""
        self._low = super().look()
        if not self._settings.on_firestore:
            with suppress(OSError):
                self._read_store()
        if self._connection is not None:
            self.reached = self.refusal_of(self._connection) is not None
        return self.reached

    def refusal_of(self, connection: str) -> LimitReached | None:
        """The refusal of another message of this connection, however short, by the last look; None where it has room."""
        if self._low:
            return self.refusal
        try:
            self._quota.check((connection,), self._used, living=self._living)
        except LimitReached as refusal:
            return refusal
        return None

    @property
    def used(self) -> dict[str, int]:
        """The bytes of each connection that there is, by the last look; none where no store on the disk was read."""
        return {each: self._used.get(each, 0) for each in self._living}

    def _read_settings(self) -> int:
        self._settings = self._settings.current()
        return self._settings.disk_reserve

    def _read_store(self) -> None:
        file = self._settings.state_file
        found = read(file)
        free = shutil.disk_usage(file.parent).free
        self._used, self._living = dict(found.used), found.living
        self._quota = quota = self._settings.store_quota
        if not quota.total.size and free < self._settings.disk_reserve:
            room = max(0, free - self._size) + found.free
            others = max(0, len(found.living) - 1)
            self._quota = replace(quota, connections=others).within(found.total + room)
