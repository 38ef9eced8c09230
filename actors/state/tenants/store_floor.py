"""Refuses sends of a connection that has used its quota of a SQLite state store, or whose disk is below its floor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from actors.runtime.limits.disk_floor import DiskFloor, free_bytes
from actors.runtime.limits.limit_uses import STORE_FULL, LimitUse, quota_uses
from actors.runtime.limits.limits import LimitReached
from actors.state.sqlite.stored_bytes import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.runtime.limits.quotas import Quota


class StoreFloor(DiskFloor):
    """A `DiskFloor` that also compares the bytes of each connection with its quota of the state store (G13).

    A connection that has used its quota is refused, and no other one. If the quota has no total, none is refused while
    the disk has DISK_RESERVE free. With less free the total is the bytes of all connections and those that they may
    still take. Half of it is reserved for the connections in equal parts: a single connection is refused at the floor of
    the disk, one of several as soon as it has left the others no more than their parts.

    With a `connection` the floor is reached as well when that one has used its quota. A store on another host is not
    read; if the file cannot be read, the bytes of the last look count.
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
        self._read = settings.on_firestore
        self._quota: Quota = settings.store_quota

    @classmethod
    def of(cls, settings: Settings, *places: Path, connection: str | None = None) -> Self:
        """Return the floor of the data directory and of these other places."""
        return cls(settings, places, connection)

    def look(self) -> bool:
        """Read the disks and the store; return whether a disk is low, or the connection has used its quota. Blocking."""
        self._low = super().look()
        if not self._settings.on_firestore:
            self._read = False
            with suppress(OSError):
                self._read_store()
                self._read = True
        if self._connection is not None:
            self.reached = self.refusal_of(self._connection) is not None
        return self.reached

    def refusal_of(self, connection: str) -> LimitReached | None:
        """Return the refusal of any further message of this connection, by the last look; None where it has room."""
        if self._low:
            return self.refusal
        try:
            self._quota.check((connection,), self._used, living=self._living)
        except LimitReached as refusal:
            return refusal
        return None

    @property
    def used(self) -> dict[str, int]:
        """The bytes of each connection that is not deleted, by the last look; empty where no store was read."""
        return {each: self._used.get(each, 0) for each in self._living}

    @property
    def uses(self) -> tuple[LimitUse, ...] | None:
        """The uses of the quota of the state store; None where the last look could not read it."""
        if not self._read:
            return None
        return tuple(quota_uses(STORE_FULL, self._quota, self._used, living=self._living))

    def _read_settings(self) -> int:
        self._settings = self._settings.current()
        return self._settings.disk_reserve

    def _read_store(self) -> None:
        file = self._settings.state_file
        found = read(file)
        free = free_bytes(file.parent)
        self._used, self._living = dict(found.used), found.living
        self._quota = quota = self._settings.store_quota
        if not quota.total.size and free < self._settings.disk_reserve:
            room = max(0, free - self._size) + found.free
            others = max(0, len(found.living) - 1)
            self._quota = replace(quota, connections=others).within(found.total + room)
