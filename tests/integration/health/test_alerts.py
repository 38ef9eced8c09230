"""Alerts that the HealthMonitor raises, repeats and clears."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.health import monitor as monitoring
from actors.health.alerts import Alert
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS
from actors.state.recovery_actions import noting, recovery_action
from tests.integration.health.monitored import alerts, made

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.health.monitor import Monitor
    from actors.state.documents import Documents


async def test_a_connection_that_is_a_zombie_again_and_again_is_an_alert(
    monitor: Monitor, documents: Documents
) -> None:
    """Twice is an accident; what was long ago, or fell otherwise, does not count."""

    async def fell(*, ago: float, cause: str = "zombie", connection: str = "shop") -> None:
        action = recovery_action(
            role="connection",
            connection=connection,
            action="restarted",
            cause=cause,
            at=time.time() - ago,
            seconds=1.0,
        )
        await documents.batch([noting(action)])

    for ago in (3, 2):
        await fell(ago=ago)
    await fell(ago=4, connection="kiosk")
    await fell(ago=5, cause="crashed")
    await fell(ago=2000)
    await monitor.round()
    assert await alerts(documents) == []
    await fell(ago=1)
    await monitor.round()
    assert await alerts(documents) == [("connection_zombie", "shop", True)]


async def test_an_alert_that_lasts_is_repeated_when_the_settings_say(
    settings: Settings, documents: Documents, redis: Redis
) -> None:
    now = time.time()
    monitor = made(settings, documents, redis, clock=lambda: now)
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 1, "at": 1.0})
    seen = []
    for seconds in (0, 1, settings.alert_repeat_interval / 1000, 1):
        now += seconds
        await monitor.round()
        (alert,) = (await documents.query(HEALTH_ALERTS)).items
        seen.append((alert["active"], alert["repeats"], alert["told_at"] == now))
    assert seen == [(True, 0, True), (True, 0, False), (True, 1, True), (True, 1, False)]


async def test_a_chat_that_cannot_leave_the_spool_is_an_alert_until_it_can(
    monitor: Monitor, documents: Documents
) -> None:
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 1, "at": 1.0})
    await documents.set(HEALTH_STATUS, "spool.b", {"stuck": 0, "at": 1.0})
    await monitor.round()
    assert await alerts(documents) == [("spool_stuck", None, True)]
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 0, "at": 2.0})
    await monitor.round()
    await monitor.round()
    assert await alerts(documents) == [("spool_stuck", None, False)]


async def test_a_spool_that_is_nearly_full_is_an_alert_until_it_is_not(
    monitor: Monitor, documents: Documents
) -> None:
    nearly = [{"setting": "SPOOL_LIMIT", "used": 9, "size": 10}]
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 0, "limits": nearly, "at": 1.0})
    await documents.set(HEALTH_STATUS, "spool.b", {"stuck": 0, "at": 1.0})  # of an older release
    await monitor.round()
    assert await alerts(documents) == [("spool_full", None, True)]
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 0, "limits": [], "at": 2.0})
    await monitor.round()
    await monitor.round()
    assert await alerts(documents) == [("spool_full", None, False)]


async def test_what_was_no_send_in_the_spool_is_an_alert_until_it_is_taken_out(
    monitor: Monitor, documents: Documents
) -> None:
    for name, count in (("a", 1), ("b", 0)):
        told = {"stuck": 0, "unreadable": count, "at": 1.0}
        await documents.set(HEALTH_STATUS, f"spool.{name}", told)
    await monitor.round()
    assert await alerts(documents) == [("spool_unreadable", None, True)]
    await documents.set(HEALTH_STATUS, "spool.a", {"stuck": 0, "unreadable": 0, "at": 2.0})
    await monitor.round()
    await monitor.round()
    assert await alerts(documents) == [("spool_unreadable", None, False)]


async def test_however_many_alerts_an_earlier_monitor_left_each_is_gone_on_with(
    monitor: Monitor, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "BATCH_LIMIT", 2)
    left = [
        Alert("connection_failed", f"c{each}", "warning", "it fell", time.time() - each)
        for each in range(5)
    ]
    await documents.batch([alert.write for alert in left])
    assert [active for _, _, active in await alerts(documents)] == [True] * 5
    for _ in range(10):
        await monitor.round()
    assert [active for _, _, active in await alerts(documents)] == [False] * 5
