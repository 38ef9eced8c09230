"""A temporary ban is waited out although Redis, which says so to every owner, was emptied."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from actors.connection import whatsmeow
from actors.connection.disconnects.causes import Kind
from actors.connection.owner.serving import Serving
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from tests.integration.engine.simulated import PATIENCE, Simulator, device, pair, until
from tests.integration.tree.conftest import OWNER, PACE
from tests.integration.tree.scripted import Shelf
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.redis.leases.leases import Lease


@asynccontextmanager
async def served(redis: Redis, made: Settings, directory: Path) -> AsyncIterator[Serving]:
    """The connection as its next owner serves it: with what Redis and the session file know."""
    leases = Leases(redis)
    known = Session.stored_position(directory / SESSION_FILE).epoch
    lease = await leases.take("shop", OWNER, known)
    lanes = OutboundQueue(redis, made)
    serving = Serving(
        lease, leases, lanes, Shelf(), concurrency=1, retry_at=lambda *_: None, pace=PACE
    )
    serving.start(whatsmeow.open_engine(made, "shop", lease.epoch, serving.events, directory))
    try:
        yield serving
    finally:
        async with asyncio.timeout(PATIENCE):
            await serving.stop()
        await lanes.close()


async def test_a_ban_outlives_an_emptied_redis(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    with Valkey(tmp_path / "valkey") as valkey:
        made = valkey.settings(whatsapp_url=simulator.ws_url, whatsapp_root_key=simulator.root_key)
        redis = connect(made)
        try:
            await emptied_during_a_ban(simulator, redis, made, tmp_path)
        finally:
            await redis.aclose()


async def emptied_during_a_ban(
    simulator: Simulator, redis: Redis, made: Settings, directory: Path
) -> None:
    number = await simulator.fault("ban", seconds=60)
    leases = Leases(redis)

    async def banned() -> Lease | None:
        lease = await leases.read("shop")
        return lease if lease is not None and lease.retry_at is not None else None

    async with served(redis, made, directory) as first:
        before = await until(banned)
        tries = await simulator.struck(number)
        assert tries >= 1
        await redis.flushall()
        async with asyncio.timeout(PATIENCE):
            assert (await first.ended()).reason == "lease_missing"
    async with served(redis, made, directory):
        after = await until(banned)
        await asyncio.sleep(0.5)
    assert (after.cause, after.retry_at) == (Kind.TEMPORARILY_BANNED, before.retry_at)
    assert after.retry_at > time.time() + 20
    assert after.epoch > before.epoch
    assert await simulator.struck(number) == tries, "it tried to log in"
