"""The HealthMonitor without Ray, on a real Valkey and a real store: it notices and it heals (G11)."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.backup.bucket.port import BucketAway
from actors.health import resource_history
from actors.health.actor import HealthMonitor
from actors.health.checks import Thresholds
from actors.health.monitor import Monitor
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.connections import Connections
from actors.state.documents import HEALTH_STATUS, LATEST
from tests.integration.health.monitored import alerts, latest, made, probes_of, resources_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.documents import Documents
    from tests.processes.valkey import Valkey


async def test_a_round_sees_connections_queue_redis_and_store(
    monitor: Monitor, settings: Settings, documents: Documents, redis: Redis
) -> None:
    registry, leases, lanes = Connections(documents), Leases(redis), OutboundQueue(redis, settings)
    for name in ("a", "b", "c", "d"):
        await registry.create(name, id=name)
        lease = await leases.take(
            name, Owner(f"connection:{name}", os.getpid(), host_identity.here())
        )
        state = "failed" if name == "d" else "open"
        await leases.report(name, lease.epoch, state=state, cause=None, since=time.time())
    await lanes.accept(Send("a", "15550100002@s.whatsapp.net", "hi"))
    verdict = await monitor.round()
    assert verdict.status == "healthy"
    found = await latest(documents)
    assert found["connections"] == {"total": 4, "active": 3, "failed": 1, "recovering": 0}
    assert found["queue"] == {"waiting": 1, "active": 0, "failed": 0}
    assert found["redis"]["ok"] is found["store"]["ok"] is True
    assert found["own"]["processes"] >= 1
    assert await alerts(documents) == [("connection_failed", "d", True)]


async def test_a_connection_whose_owner_is_gone_is_not_active(
    monitor: Monitor, documents: Documents, redis: Redis
) -> None:
    """G14: whatever its lease still says."""
    registry, leases = Connections(documents), Leases(redis)
    await registry.create("shop", id="shop")
    lease = await leases.take(
        "shop", Owner("connection:shop", os.getpid(), host_identity.here(), "0:0")
    )
    await leases.report("shop", lease.epoch, state="open", cause=None, since=time.time())
    await monitor.round()
    assert (await latest(documents))["connections"]["active"] == 0


async def test_redis_goes_and_comes_back(
    monitor: Monitor, valkey: Valkey, settings: Settings, documents: Documents, redis: Redis
) -> None:
    registry, leases = Connections(documents), Leases(redis)
    await registry.create("shop", id="shop")
    lease = await leases.take("shop", Owner("connection:shop", os.getpid(), host_identity.here()))
    await leases.report("shop", lease.epoch, state="failed", cause="banned", since=time.time())
    await monitor.round()
    pid = valkey.pid
    valkey.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    verdict = await monitor.round()
    assert verdict.status == "degraded"
    assert [reason["name"] for reason in (await latest(documents))["reasons"]] == ["redis_away"]
    await monitor.round()
    known = [("all_failed", None, True), ("connection_failed", "shop", True)]
    assert sorted(await alerts(documents), key=str) == [*known, ("redis_away", None, True)]
    # A new monitor goes on with the alerts of the one before.
    monitor = made(settings, documents, redis)
    await monitor.round()
    assert len(await alerts(documents)) == 3
    valkey.start()
    for _ in range(2):
        await monitor.round()
    assert sorted(await alerts(documents), key=str) == [*known, ("redis_away", None, False)]


async def test_the_store_goes_and_comes_back_with_what_was_raised_meanwhile(
    monitor: Monitor, settings: Settings, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.sqlite_writer.BUSY_SECONDS", 0.1)
    monkeypatch.setattr("actors.health.monitor.WRITE", 0.3)
    await monitor.round()
    before = await latest(documents)
    locker = sqlite3.connect(settings.state_file, isolation_level=None)
    try:
        locker.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(
            monitor, "_thresholds", replace(monitor._thresholds, redis=-1.0)
        )  # something to alert
        for _ in range(2):
            await monitor.round()
        assert monitor.last is not None
        assert "redis_slow" in {reason.name for reason in monitor.last.reasons}
        locker.execute("ROLLBACK")
    finally:
        locker.close()
    await monitor.round()
    assert (await latest(documents))["at"] > before["at"]
    assert ("redis_slow", None, True) in await alerts(documents)


async def test_a_sweep_that_fails_again_and_again_is_left_out_for_a_while(
    valkey: Valkey,
    settings: Settings,
    documents: Documents,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    registry = Connections(documents)
    await registry.create("shop", id="shop")
    probes = probes_of(settings, documents, redis, clock=lambda: now)
    assert await probes.sweep() is not None
    monkeypatch.setattr("actors.health.probes.SWEEP", 0.1)
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert await probes.sweep() is None
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    monkeypatch.undo()
    monitor = Monitor(probes, resources_of(settings), documents, Thresholds.of(settings))
    assert (await monitor.round()).unknown >= {"connection_failed"}
    assert (await latest(documents))["breakers"]["connections"] == "open"
    now = 31.0
    assert probes.breakers["connections"] == "half_open"
    assert await probes.sweep() is not None
    await monitor.round()
    assert (await latest(documents))["breakers"]["connections"] == "closed"


async def test_a_new_monitor_goes_on_with_the_hour_of_the_old_one(
    monitor: Monitor,
    settings: Settings,
    documents: Documents,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource_history, "POINT_PAUSE_SECONDS", 0.0)
    await monitor.round()
    [first] = resource_history.read(settings.data)
    assert first.processes >= 1
    assert first.own_memory > 0
    await made(settings, documents, redis).round()
    points = resource_history.read(settings.data)
    assert points[0] == first
    assert len(points) == 2


class Bucket:
    """One that is asked, and does not answer while it is `away`."""

    def __init__(self) -> None:
        self.asked, self.away = 0, False

    async def list(self, _: str) -> list[str]:
        self.asked += 1
        if self.away:
            raise BucketAway("forbidden")
        return []


async def test_a_store_that_is_away_again_and_again_is_left_alone_for_a_while(
    settings: Settings, documents: Documents, redis: Redis, valkey: Valkey
) -> None:
    """It counts as away meanwhile, and is never left for longer than four rounds."""
    now, bucket = 0.0, Bucket()
    probes = probes_of(settings, documents, redis, bucket=cast("Any", bucket), clock=lambda: now)
    monitor = Monitor(probes, resources_of(settings), documents, Thresholds.of(settings))
    await monitor.round()
    assert set(probes.breakers.items()) == {
        (of, "closed") for of in ("redis", "store", "bucket", "connections")
    }
    valkey.kill()
    bucket.away = True
    asked = []
    for _ in range(12):
        now += 30
        before = bucket.asked
        verdict = await monitor.round()
        asked.append(bucket.asked - before)
        assert {"redis_away", "vault_away"} <= {reason.name for reason in verdict.reasons}
    # Three times, then after one round, after two, and after four.
    assert asked == [1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0]
    assert probes.breakers["redis"] == probes.breakers["bucket"] == "open"
    assert (await latest(documents))["breakers"]["bucket"] == "open"
    assert probes.breakers["store"] == "closed"
    valkey.start()
    bucket.away = False
    now += 4 * 30
    verdict = await monitor.round()
    assert not {"redis_away", "vault_away"} & {reason.name for reason in verdict.reasons}
    assert set(probes.breakers.values()) == {"closed"}


@pytest.mark.usefixtures("no_log_file")
async def test_the_shell_looks_by_itself_until_it_is_stopped(
    settings: Settings, documents: Documents
) -> None:
    shell = HealthMonitor(str(settings.data), "health")
    await shell.start()
    try:
        seen: set[float] = set()
        async with asyncio.timeout(15):
            while len(seen) < 3:
                await asyncio.sleep(0.02)
                document = await documents.get(HEALTH_STATUS, LATEST)
                if document is not None:
                    seen.add(document["at"])
        assert (await shell.health())["status"] == "healthy"
    finally:
        await shell.stop()
    assert (await shell.watch())["reason"] == "stopped"


async def test_a_clock_that_is_set_forward_makes_no_owner_silent(
    settings: Settings, documents: Documents, redis: Redis
) -> None:
    registry, leases = Connections(documents), Leases(redis)
    passed, jumped, leap = 0.0, 0.0, 0.0

    def clock() -> float:
        return time.monotonic() + passed

    def wall() -> float:
        nonlocal jumped
        jumped += leap
        return time.time() + passed + jumped

    probes = probes_of(settings, documents, redis, clock=clock, wall=wall)
    monitor = Monitor(
        probes, resources_of(settings), documents, Thresholds.of(settings), clock=wall
    )
    await registry.create("shop", id="shop")
    lease = await leases.take("shop", Owner("connection:shop", os.getpid(), host_identity.here()))
    await leases.report("shop", lease.epoch, state="open", cause=None, since=time.time())
    assert (await monitor.round()).reasons == ()
    jumped = 3600.0
    assert (await monitor.round()).reasons == ()
    leap = 3600.0  # in the midst of a round, between any two looks at the clock
    assert (await monitor.round()).reasons == ()
    leap = 0.0
    passed = 100.0
    assert [one.name for one in (await monitor.round()).reasons] == ["connection_stale"]
    assert await leases.renew("shop", lease.epoch)
    assert (await monitor.round()).reasons == ()


async def test_an_instance_that_does_not_reach_whatsapp_is_not_healthy(
    monitor: Monitor, documents: Documents, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, leases = Connections(documents), Leases(redis)
    await registry.create("shop", id="shop")
    lease = await leases.take("shop", Owner("connection:shop", os.getpid(), host_identity.here()))
    states = partial(leases.report, "shop", lease.epoch, cause="network", since=time.time())
    await states(state="reconnecting")
    assert (await monitor.round()).status == "healthy", "a login takes a while"
    monkeypatch.setattr("actors.health.checks.UNREACHED", 0.0)
    assert (await monitor.round()).status == "unhealthy"
    assert await alerts(documents) == [("whatsapp_away", None, True)]
    await states(state="open")
    assert (await monitor.round()).status == "healthy"
    await monitor.round()
    assert await alerts(documents) == [("whatsapp_away", None, False)]
