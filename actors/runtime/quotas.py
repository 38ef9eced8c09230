"""Quotas of a resource: the limit of each connection, and the part that others cannot take from it (pure).

The callers count: requests and readers in a gateway's memory, webhooks and API keys in the state store, bytes of
files in the ledger of a host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Of = Literal["connection", "key", "instance"]

ALL: Final = ""
"""The unit of keys, webhooks and files that are for all connections, also those to come. Other units are ids."""


def units_of(connections: Iterable[str] | None) -> tuple[str, ...]:
    """Return the units that something of these connections counts for: each of them, or `ALL` for None."""
    return (ALL,) if connections is None else tuple(sorted(connections))


class QuotaReached(Exception):  # noqa: N818 - reads as what it is
    """A quota is used up: `setting` allows `limit` for each connection, each key or the instance (`of`).

    After `retry_after` seconds the caller may try again.
    """

    def __init__(self, setting: str, limit: int, of: Of, retry_after: int) -> None:
        super().__init__(setting)
        self.setting = setting
        self.limit = limit
        self.of: Of = of
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Quota:
    """`each` for a connection or a key, `total` for all of them; 0 is no limit.

    Of the total, half is `reserved` in equal parts: one for each of `connections` (MAX_CONNECTIONS),
    and one for `ALL`. Only what a connection has beyond its part is taken from the other half, so
    that no number of greedy ones takes the part of another (G13). A key, webhook or file of several
    connections counts for each.
    """

    each: int
    total: int
    connections: int
    each_setting: str
    total_setting: str
    retry_after: int
    """Seconds after which a refused caller may try again."""

    @property
    def reserved(self) -> int:
        """The part of one connection; at least 1, where the total has as many."""
        parts = self.connections + 1
        return max(self.total // (2 * parts), min(1, self.total // parts))

    @property
    def shared(self) -> int:
        """The amount that all units may have together beyond their parts."""
        return self.total - self.reserved * (self.connections + 1)

    def check_key(self, used: int) -> None:
        """Raise `QuotaReached` where a key that has `used` so many may have no more."""
        if self.each and used >= self.each:
            raise self.reached("key")

    def check(
        self,
        units: Collection[str],
        used: Mapping[str, int],
        size: int = 1,
        *,
        living: Collection[str] | None = None,
        elsewhere: int = 0,
    ) -> None:
        """Raise `QuotaReached` where each of these units may not have `size` more than it has `used`.

        A connection that is not among the `living` (None: all are) has no part: all that it has left
        behind is taken from the shared half, and so is the amount `elsewhere`, which counts for no unit.
        """
        if self.each and any(used.get(each, 0) + size > self.each for each in units if each != ALL):
            raise self.reached("connection")
        if not self.total:
            return
        more = sum(
            self._beyond(used.get(each, 0) + size) - self._beyond(used.get(each, 0))
            for each in units
        )
        if more and more + elsewhere + self._taken(used, living) > self.shared:
            raise self.reached("instance")

    def _taken(self, used: Mapping[str, int], living: Collection[str] | None) -> int:
        return sum(
            self._beyond(count) if living is None or unit == ALL or unit in living else count
            for unit, count in used.items()
        )

    def _beyond(self, count: int) -> int:
        return max(0, count - self.reserved)

    def reached(self, of: Of, retry_after: int | None = None) -> QuotaReached:
        """Return the refusal; `retry_after` in place of the usual seconds where it is known."""
        after = self.retry_after if retry_after is None else retry_after
        if of == "instance":
            return QuotaReached(self.total_setting, self.total, of, after)
        return QuotaReached(self.each_setting, self.each, of, after)
