"""A poke reaches all listeners, which call Redis for nothing meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.redis.change_notifications import poke, pokes
from actors.redis.client import connect

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey


async def test_a_poke_arrives(redis: Redis) -> None:
    listener = pokes(redis)
    await anext(listener)
    for _ in range(2):
        await poke(redis)
        await asyncio.wait_for(anext(listener), 5)
    await listener.aclose()


async def test_listening_for_pokes_asks_nothing_of_redis(own_server: Valkey) -> None:
    """A listener that pings without pause is invisible but for the load."""
    redis = connect(own_server.settings(), blocking=True)
    listening = pokes(redis)
    await anext(listening)
    listener = asyncio.ensure_future(anext(listening))

    async def pings() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0))

    before = await pings()
    await asyncio.sleep(0.5)
    assert await pings() - before < 5
    await poke(redis)
    await listener
    await listening.aclose()
    await redis.aclose()
