"""The alerts of this service and the rules for Prometheus have the same facts and the same severities."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.health.alerts import severity_of
from actors.health.checks import ENDS_SOON, ZOMBIES, judge
from actors.redis.client import RedisMemory
from actors.runtime.limits.limit_uses import ALERT_SHARE, URGENT_SHARE, LimitUse
from tests.integration.metrics.panels import rules
from tests.unit.actors.health.well import AWAY, FAILED, OPEN, THRESHOLDS, WELL, four

if TYPE_CHECKING:
    from actors.health.checks import Reason

RULES = {rule["alert"]: rule for rule in rules()}
DAY = 86_400.0


def used(percent: int) -> tuple[LimitUse, ...]:
    """A connection that has so much of its limit in the state store."""
    return (LimitUse("store_full", "STORED_BYTES_PER_CONNECTION", percent, 100, "c0"),)


def reasons(**change: Any) -> dict[str, Reason]:
    """The findings of the monitor in a sample that is well but for this."""
    found = judge(replace(WELL, **change), THRESHOLDS)
    return {reason.name: reason for reason in found.reasons}


@pytest.mark.parametrize(
    ("rule", "name", "change"),
    [
        ("TeimosoRedisAway", "redis_away", {"redis": AWAY, "connections": None, "queue": None}),
        ("TeimosoRedisNotDurable", "not_durable", {"durability": "Redis: appendfsync is no."}),
        ("TeimosoRedisNearlyFull", "redis_full", {"redis_memory": RedisMemory(81, 100)}),
        ("TeimosoRedisFull", "redis_full", {"redis_memory": RedisMemory(100, 100)}),
        ("TeimosoLimitNearlyReached", "store_full", {"limits": used(81)}),
        ("TeimosoLimitReached", "store_full", {"limits": used(99)}),
        ("TeimosoStateStoreAway", "store_away", {"store": AWAY}),
        ("TeimosoDiskReserve", "disk_reserve", {"room": 0}),
        ("TeimosoDiskLow", "disk_full", {"disk": 0}),
        ("TeimosoConnectionNotOpen", "connection_failed", {"connections": four(a=FAILED)}),
        (
            "TeimosoVersionEnds",
            "version_expires",
            {"connections": four(a=replace(OPEN, version_ends_at=WELL.at + 5 * DAY))},
        ),
        (
            "TeimosoVersionEndsSoon",
            "version_expires",
            {"connections": four(a=replace(OPEN, version_ends_at=WELL.at + 2 * DAY))},
        ),
        ("TeimosoZombies", "connection_zombie", {"zombies": {"c0": ZOMBIES}}),
    ],
)
def test_a_fact_is_as_severe_for_prometheus_as_here(
    rule: str, name: str, change: dict[str, Any]
) -> None:
    assert severity_of(reasons(**change)[name]) == RULES[rule]["labels"]["severity"]


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("TeimosoRedisNearlyFull", f"> {ALERT_SHARE}"),
        ("TeimosoRedisFull", ">= 1"),
        ("TeimosoLimitNearlyReached", f"> {ALERT_SHARE}"),
        ("TeimosoLimitReached", f"> {URGENT_SHARE}"),
        ("TeimosoVersionEndsSoon", f"< {ENDS_SOON:.0f}"),
    ],
)
def test_a_rule_begins_where_the_alert_does(rule: str, threshold: str) -> None:
    assert RULES[rule]["expr"].endswith(threshold)
