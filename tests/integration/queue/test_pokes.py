"""A poke reaches whoever listens, who asks nothing of Redis meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.redis.client import connect
from actors.redis.pokes import poke, pokes

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey


async def test_a_poke_is_heard(redis: Redis) -> None:
    heard = pokes(redis)
    await anext(heard)
    for _ in range(2):
        await poke(redis)
        await asyncio.wait_for(anext(heard), 5)
    await heard.aclose()


async def test_listening_for_pokes_asks_nothing_of_redis(own_server: Valkey) -> None:
    """A listener that pings without pause is invisible but for the load."""
    redis = connect(own_server.settings(), blocking=True)
    listening = pokes(redis)
    await anext(listening)
    heard = asyncio.ensure_future(anext(listening))

    async def pings() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_ping", {}).get("calls", 0))

    before = await pings()
    await asyncio.sleep(0.5)
    assert await pings() - before < 5
    await poke(redis)
    await heard
    await listening.aclose()
    await redis.aclose()
