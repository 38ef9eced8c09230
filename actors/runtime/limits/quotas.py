"""Checks quotas: each connection's limit on a resource, and the share reserved for each from all others (pure).

The callers count: requests and readers in a gateway's memory, webhooks and API keys in the state store, bytes of
files in the ledger of a host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from actors.runtime.limits.limits import Limit

SHARED_UNIT: Final = ""
"""The unit of keys, webhooks and files that are for all connections, also those to come. Other units are ids."""


def units_of(connections: Iterable[str] | None) -> tuple[str, ...]:
    """Return the units that something of these connections counts for: each of them, or `SHARED_UNIT` for None."""
    return (SHARED_UNIT,) if connections is None else tuple(sorted(connections))


@dataclass(frozen=True, slots=True)
class QuotaPart:
    """The share of each connection in a `limit` of the instance: `size`, reserved for it."""

    size: int
    limit: Limit


@dataclass(frozen=True, slots=True)
class Quota:
    """`each` for a connection or a key (None: no limit), `total` for all of them.

    Of the total, half is `reserved` in equal parts: one for each of `connections` (MAX_CONNECTIONS),
    and one for `SHARED_UNIT`. Only what a connection has beyond its part is taken from the other half, so
    that no number of greedy ones takes the part of another (G13). A key, webhook or file of several
    connections counts for each.
    """

    each: Limit | None
    total: Limit
    connections: int

    @property
    def reserved(self) -> int:
        """The part of one connection; at least 1, where the total has as many."""
        parts = self.connections + 1
        return max(self.total.size // (2 * parts), min(1, self.total.size // parts))

    @property
    def shared(self) -> int:
        """The amount that all units may have together beyond their parts."""
        return self.total.size - self.reserved * (self.connections + 1)

    def within(self, size: int) -> Quota:
        """Return this quota; where it has no total, one with `size` as the total."""
        return self if self.total.size else replace(self, total=replace(self.total, size=size))

    def at_least(self, size: int) -> Quota:
        """Return this quota; where its total is less than `size`, one with that as the total."""
        return replace(self, total=replace(self.total, size=max(size, self.total.size)))

    def left(
        self,
        unit: str,
        used: Mapping[str, int],
        *,
        living: Collection[str] | None = None,
        elsewhere: int = 0,
    ) -> int:
        """Return how much more of the total this unit may have, as `check` judges it."""
        shared = self.shared - elsewhere - self._taken(used, living)
        return max(0, self.reserved - used.get(unit, 0)) + max(0, shared)

    def check_key(self, used: int) -> None:
        """Raise `LimitReached` where a key that has `used` so many may have no more."""
        if self.each is not None and 0 < self.each.size <= used:
            raise self.each.reached("key")

    def check(
        self,
        units: Collection[str],
        used: Mapping[str, int],
        size: int = 1,
        *,
        living: Collection[str] | None = None,
        elsewhere: int = 0,
    ) -> None:
        """Raise `LimitReached` where each of these units may not have `size` more than it has `used`.

        A connection that is not among the `living` (None: all are) has no part: all that it has left
        behind is taken from the shared half, and so is the amount `elsewhere`, which counts for no unit.
        """
        own = self.each
        most = max((used.get(unit, 0) + size for unit in units if unit != SHARED_UNIT), default=0)
        if own is not None and 0 < own.size < most:
            raise own.reached("connection", needed=most)
        if not self.total.size:
            return
        more = sum(
            self._beyond(used.get(each, 0) + size) - self._beyond(used.get(each, 0))
            for each in units
        )
        if more and more + elsewhere + self._taken(used, living) > self.shared:
            raise self.total.reached("instance")

    def _taken(self, used: Mapping[str, int], living: Collection[str] | None) -> int:
        reserved = self.reserved
        return sum(
            max(0, count - reserved)
            if living is None or unit == SHARED_UNIT or unit in living
            else count
            for unit, count in used.items()
        )

    def _beyond(self, count: int) -> int:
        return max(0, count - self.reserved)
