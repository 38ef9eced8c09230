"""Alerts about limits that a connection, or the instance, has nearly used up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.health.alerts import Alerts
from actors.health.checks import judge
from actors.redis.client import RedisMemory
from actors.runtime.limits.limit_uses import LimitUse
from tests.unit.actors.health.well import OPEN, THRESHOLDS, WELL


def use(alert: str, percent: int, connection: str | None = None) -> LimitUse:
    return LimitUse(alert, "MAX_STORED_BYTES", percent * 2**20, 100 * 2**20, connection)


@pytest.mark.parametrize(
    ("change", "status", "names"),
    [
        # of 1000 bytes half is in five parts, which hold once the other half is used, nearly so from four fifths of it on
        (
            {
                "connections": {"x": replace(OPEN, queue_bytes=81)},
                "redis_memory": RedisMemory(400, 1000),
            },
            "healthy",
            ["queue_full"],
        ),
        (
            {
                "connections": {"x": replace(OPEN, queue_bytes=81)},
                "redis_memory": RedisMemory(399, 1000),
            },
            "healthy",
            [],
        ),
        ({"limits": (use("store_full", 81, "c0"),)}, "healthy", ["store_full"]),
        ({"limits": (use("store_full", 80, "c0"),)}, "healthy", []),
        (
            {"limits": (use("store_full", 99, "c0"),), "connections": None},
            "healthy",
            ["store_full"],
        ),
        ({"limits": (use("store_full", 99, "deleted"),)}, "healthy", []),
        ({"limits": (use("store_full", 99),)}, "healthy", ["store_full"]),
        ({"limits": (use("store_full", 100),)}, "degraded", ["store_full"]),
        ({"limits": (use("files_full", 81),)}, "healthy", ["files_full"]),
    ],
)
def test_limits(change: dict[str, Any], status: str, names: list[str]) -> None:
    verdict = judge(replace(WELL, **change), THRESHOLDS)
    assert verdict.status == status
    assert [reason.name for reason in verdict.reasons] == names


@pytest.mark.parametrize("alert", ["store_full", "files_full"])
def test_an_alert_stays_while_nobody_can_read_what_is_used(alert: str) -> None:
    raised = judge(replace(WELL, limits=(use(alert, 99),)), THRESHOLDS)
    alerts, _ = Alerts().judged(raised, 1.0)
    blind = judge(replace(WELL, unread=frozenset({alert})), THRESHOLDS)
    for at in range(2, 10):
        alerts, changed = alerts.judged(blind, float(at))
        assert (list(alerts.active), changed) == ([(alert, None)], ())
    for at in range(10, 20):
        alerts, _ = alerts.judged(judge(WELL, THRESHOLDS), float(at))
    assert not alerts.active


def test_the_text_has_figure_setting_and_remedy() -> None:
    limits = (
        use("store_full", 90, "c0"),
        LimitUse("store_full", "STORED_BYTES_PER_CONNECTION", 95 * 2**20, 100 * 2**20, "c0"),
        use("store_full", 99),
    )
    own, all_of_them = judge(replace(WELL, limits=limits), THRESHOLDS).reasons
    assert (own.name, own.subject, own.urgent) == ("store_full", "c0", False)
    assert own.detail.startswith(
        "The connection used 95.0 of the 100.0 MB (95%) that STORED_BYTES_PER_CONNECTION allows"
    ), "the one of its two limits that it is nearest to"
    assert "`teimoso jobs run prune-messages`" in own.detail
    assert "`teimoso settings set`" in own.detail
    assert (all_of_them.subject, all_of_them.urgent) == (None, True)
    assert "99.0 of the 100.0 MB (99%) that MAX_STORED_BYTES allows" in all_of_them.detail
