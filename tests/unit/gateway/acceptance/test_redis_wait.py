"""Sends that wait for Redis are bounded, for each connection (G12, G13)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.redis.client import RedisAway, connect
from gateway.acceptance.redis_wait import MAX_WAITING_BYTES, RedisWait
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def settings(**values: object) -> Settings:
    """Settings of a Redis that is away."""
    return Settings.model_validate(
        {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": free_port(), "MAX_CONNECTIONS": 3, **values}
    )


@pytest.fixture
async def wait() -> AsyncIterator[RedisWait]:
    found = settings(REDIS_WAIT=60_000)
    redis = connect(found)
    waiting = RedisWait(redis, found)
    yield waiting
    await waiting.close()
    await redis.aclose()


async def away() -> None:
    raise RedisAway("refused")


async def refused(wait: RedisWait, connection: str, size: int) -> bool:
    """Whether a send of this size ends at once, in place of waiting."""
    waiting = asyncio.create_task(wait.serve(connection, size, away))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    if done:
        with pytest.raises(RedisAway):
            waiting.result()
    return bool(done)


async def test_bytes_that_wait_are_bounded_and_each_connection_has_its_part(
    wait: RedisWait,
) -> None:
    size = MAX_WAITING_BYTES // 16  # its part, of four, is two of these
    fit = 0
    while not await refused(wait, "greedy", size):
        fit += 1
        assert fit < 16
    assert fit == 10, "its part, and the half that is nobody's"
    assert not await refused(wait, "other", size)


async def test_it_ends_after_its_time() -> None:
    found = settings(REDIS_WAIT=200)
    redis = connect(found)
    waiting = RedisWait(redis, found)
    with pytest.raises(RedisAway):
        await waiting.serve("shop", 1, away)
    assert not waiting._bytes, "nothing waits any more, and what comes next has its room"
    await waiting.close()
    await redis.aclose()
