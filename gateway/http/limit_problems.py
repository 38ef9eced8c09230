"""Converts a reached limit into a problem response (429 or 503), and counts the refused call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.metrics.counters import measures
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.runtime.limits.limits import Limit, LimitReached

LIMITS_METRIC: Final = "teimoso_limits_reached"

_WHOSE: Final = {
    "connection": "each connection, and one that this API key is for has them",
    "key": "each API key, and this one has them",
    "instance": "all together, and what is not reserved for other connections is used up",
}

_DETAILS: Final = {
    "too_many_connections": (
        "{setting} allows {size} connections. Delete one, or set {setting} to {more} or more."
    ),
    "upload_budget_reached": (
        "{setting} allows the connection {size} bytes a day, and no more today (UTC). Set {setting} to {more} or"
        " more, or to 0 for no limit."
    ),
    "queue_full": (
        "{setting} allows the messages of the connection {size} bytes. They leave a day after their end. Set"
        " {setting} to {more} or more, or to 0 for no limit."
    ),
    "store_full": (
        "{setting} allows the connection {size} bytes in the state store. Set {setting} to {more} or more, or to 0 for no"
        " limit, or have older messages removed (MESSAGE_RETENTION_DAYS, `prune-messages`)."
    ),
    "redis_full": (
        "Redis has the {size} bytes in use that it may, or all that is not reserved for other connections."
        " Set {setting} to {more} or more, and the server's `maxmemory` above it."
    ),
    "disk_reserve": (
        "The disk has no more free than {size} bytes, which {setting} keeps for other things. Make room, or set"
        " {setting} to fewer bytes than the disk has free."
    ),
}


def expect(limits: Iterable[Limit]) -> None:
    """Count no call beyond each of these limits, so that metrics have the series before the first one."""
    for limit in limits:
        measures.count(LIMITS_METRIC, 0, limit=limit.setting)


def limit_problem(reached: LimitReached, **more: object) -> Problem:
    """Count a call that reached a limit and return its problem: 429 for a connection or key, 503 for the instance.

    `more` are further fields of the answer.
    """
    limit, scope = reached.limit, reached.scope
    measures.count(LIMITS_METRIC, limit=limit.setting)
    detail = _DETAILS.get(
        limit.code, "{setting} allows {size} for {whose}. Set {setting} to {more} or more."
    )
    return Problem(
        limit.code,
        detail.format(
            setting=limit.setting, size=limit.size, more=reached.needed, whose=_WHOSE[scope]
        ),
        headers={"Retry-After": str(reached.retry_after)},
        setting=limit.setting,
        limit=limit.size,
        of=scope,
        **more,
    )
