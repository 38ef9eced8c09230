"""The gate that a full Redis closes stays closed while it is looked at anew (G13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.queue.outbound_queue import OutboundQueue, Send
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
    """The spool takes sends then."""
    settings = own_valkey.settings(max_redis_memory=1)
    redis = connect(settings)
    room = RedisMemoryMonitor(redis, settings)
    await room.look()
    own_valkey.kill()
    await room.look()
    assert room.memory is None
    await redis.aclose()


async def test_what_was_known_last_bounds_the_spool(own_valkey: Valkey) -> None:
    settings = own_valkey.settings(max_redis_memory=2**40)
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    room = RedisMemoryMonitor(redis, settings, lambda: ("shop", "other"))
    try:
        await lanes.accept(Send("shop", "15550100002@s.whatsapp.net", "hello"))
        await room.look()
        assert room.memory is not None
        assert room.budgets.used == room.memory.used > 0
        assert room.budgets.total.size == room.memory.limit
        assert room.budgets.taken == {"shop": 1_000 + len("hello"), "other": 0}
        known = room.budgets
        own_valkey.kill()
        await room.look()
        assert room.budgets == known
    finally:
        await lanes.close()
        await redis.aclose()
