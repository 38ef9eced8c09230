"""Computes the gateway's `/health` answer from the HealthMonitor's document and the gateway's own probes (pure).

``/health`` answers also while the HealthMonitor is dead or Redis or the store is away: then from
what the gateway sees itself, with what the monitor wrote last as far as it is fresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Status = Literal["healthy", "degraded", "unhealthy"]

SEVERITY: Mapping[str, int] = {"healthy": 0, "degraded": 1, "unhealthy": 2}
STALE_AFTER = 3  # missed rounds, after which the monitor's last word is history

ACTIVE = frozenset({"open"})
FAILED = frozenset({"failed"})
RECOVERING = frozenset({"connecting", "reconnecting"})


def summary(
    *,
    status: Status,
    uptime: float,
    states: Iterable[str],
    waiting: int,
    active: int,
    dead: int,
    cpu: float,
    memory: float,
) -> dict[str, Any]:
    """The short form of `/health` and nothing more: it is answered without a key.

    `uptime` in seconds; `states` of all connections (stopped, unlinked and pairing ones count in the
    total only); `waiting` in the queue, what waits for its time included, `active` being sent, `dead`
    dead letters; `cpu` and `memory` in percent of the machine.
    """
    every = list(states)
    opened = sum(state in ACTIVE for state in every)
    return {
        "status": status,
        "uptime": int(uptime),
        "connections": {
            "total": len(every),
            "open": opened,
            "failed": sum(state in FAILED for state in every),
            "recovering": sum(state in RECOVERING for state in every),
            "active": opened,  # a former name, as `failed` below
        },
        "queue": {"waiting": waiting, "active": active, "dead": dead, "failed": dead},
        "resources": {"cpu": round(cpu, 1), "memory": {"percentage": round(memory, 1)}},
    }


def overall(
    latest: Mapping[str, Any] | None, *, redis: bool, store: bool, now: float, interval: float
) -> tuple[Status, list[str]]:
    """Return the status and its reasons, from ``health_status/latest`` and the caller's own probes.

    `redis` and `store`: does it answer now; `interval` is HEALTH_CHECK_INTERVAL in seconds. A
    fresh failure degrades at once, before the monitor's next round; the caller's probes of Redis and the store
    overrule those of the monitor. Without Redis or without the store
    the service goes on (G11), without both it accepts nothing.
    """
    reasons: dict[str, Status] = {}
    if latest is None or now - latest["at"] > latest.get("holds", 0.0) + STALE_AFTER * interval:
        reasons["monitor_silent"] = "degraded"
    else:
        reasons = {
            reason["name"]: reason["status"]
            for reason in latest["reasons"]
            if reason["name"] not in {"redis_away", "store_away"}
        }
    for name, answers in (("redis_away", redis), ("store_away", store)):
        if not answers:
            reasons[name] = "degraded" if redis or store else "unhealthy"
    return worst(reasons.values()), list(reasons)


def worst(statuses: Iterable[Status]) -> Status:
    """The most severe of them, healthy if there is none."""
    return max(statuses, key=SEVERITY.__getitem__, default="healthy")
