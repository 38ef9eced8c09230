"""Computes how much of their limits connections and the instance have used, for alerts, metrics and the doctor (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.quotas import SHARED_UNIT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from actors.redis.client import RedisMemory
    from actors.runtime.limits.limits import Limit
    from actors.runtime.limits.quotas import Quota

ALERT_SHARE: Final = 0.8
"""The share of a limit from which it is an alert."""
URGENT_SHARE: Final = 0.98
"""The share from which the alert is urgent: a long text has no room any more."""

QUEUE_FULL, STORE_FULL, FILES_FULL = "queue_full", "store_full", "files_full"
LIMIT_ALERTS: Final = frozenset({QUEUE_FULL, STORE_FULL, FILES_FULL})
"""Names of the alerts about limits, one for each resource."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """`used` of the `size` in bytes that a setting allows one connection, or the instance where `connection` is None.

    `alert` is the name of the alert that it raises from `ALERT_SHARE` on.
    """

    alert: str
    setting: str
    used: int
    size: int
    connection: str | None = None

    @property
    def share(self) -> float:
        """The share that is used: 1 where nothing more has room."""
        return self.used / self.size if self.size > 0 else 1.0


def limit_use(alert: str, limit: Limit, used: int, connection: str | None = None) -> list[LimitUse]:
    """Return the use of a limit; nothing where it is 0, which is no limit."""
    return [LimitUse(alert, limit.setting, used, limit.size, connection)] if limit.size else []


def quota_uses(
    alert: str,
    quota: Quota,
    used: Mapping[str, int],
    *,
    living: Collection[str] | None = None,
    elsewhere: int = 0,
) -> Iterator[LimitUse]:
    """Return the uses of a quota: of the instance's total, and of what each connection may have of both limits.

    A connection that takes most of what the total leaves it is at its end long before the total is. The arguments are
    as in `Quota.check`; where all connections count as living, those that used something are returned.
    """
    total = quota.total
    yield from limit_use(alert, total, sum(used.values()) + elsewhere)
    for connection in sorted(used.keys() - {SHARED_UNIT} if living is None else living):
        own = used.get(connection, 0)
        if quota.each is not None:
            yield from limit_use(alert, quota.each, own, connection)
        if total.size and own:
            left = quota.left(connection, used, living=living, elsewhere=elsewhere)
            yield LimitUse(alert, total.setting, own, own + left, connection)


def queue_uses(
    used: Mapping[str, int], each: Limit, total: Limit, memory: RedisMemory | None, parts: int
) -> Iterator[LimitUse]:
    """Return the uses of QUEUE_MEMORY_PER_CONNECTION, and of equal `parts` of MAX_REDIS_MEMORY once those nearly hold."""
    part = None if memory is None else memory.part(parts, from_share=ALERT_SHARE)
    for connection, own in used.items():
        yield from limit_use(QUEUE_FULL, each, own, connection)
        if part is not None and own:
            yield LimitUse(QUEUE_FULL, total.setting, own, part, connection)


def highest(uses: Collection[LimitUse]) -> list[LimitUse]:
    """Return the highest use of each alert and connection, as there is one alert for it."""
    found: dict[tuple[str, str | None], LimitUse] = {}
    for use in uses:
        known = found.get((use.alert, use.connection))
        if known is None or known.share < use.share:
            found[use.alert, use.connection] = use
    return list(found.values())
