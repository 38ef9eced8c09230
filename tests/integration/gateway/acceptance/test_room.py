"""The gate that a full Redis closes stays closed while it is looked at anew (G13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.redis.client import connect
from gateway.redis_memory import RedisMemoryMonitor

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey

PAUSE = 1.0


async def test_a_slow_answer_lets_nothing_in(own_valkey: Valkey) -> None:
    settings = own_valkey.settings(max_redis_memory=1)
    redis = connect(settings)
    room = RedisMemoryMonitor(redis, settings)
    await room.look()
    assert room.full
    await redis.client_pause(int(PAUSE * 1000))
    looking = asyncio.ensure_future(room.look())
    await asyncio.sleep(PAUSE / 2)
    assert not looking.done(), "Redis answered all the same"
    assert room.full, "sends are let in for as long as Redis takes to answer"
    await looking
    assert room.full
    await redis.aclose()


async def test_nothing_is_known_of_a_redis_that_is_away(own_valkey: Valkey) -> None:
    """A send waits for it then, and is not refused for its memory."""
    settings = own_valkey.settings(max_redis_memory=1)
    redis = connect(settings)
    room = RedisMemoryMonitor(redis, settings)
    await room.look()
    own_valkey.kill()
    await room.look()
    assert room.memory is None
    await redis.aclose()
