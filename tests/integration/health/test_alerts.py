"""Alerts that the HealthMonitor raises, repeats and clears."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.health import monitor as monitoring
from actors.health.alerts import Alert
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, INSTANCE_BACKUP
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
    failing = {"backup_failing_since": 1.0, "backup_lacks": []}
    await documents.set(HEALTH_STATUS, INSTANCE_BACKUP, failing)
    seen = []
    for seconds in (0, 1, settings.alert_repeat_interval / 1000, 1):
        now += seconds
        await monitor.round()
        (alert,) = (await documents.query(HEALTH_ALERTS)).items
        seen.append((alert["active"], alert["repeats"], alert["told_at"] == now))
    assert seen == [(True, 0, True), (True, 0, False), (True, 1, True), (True, 1, False)]


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
