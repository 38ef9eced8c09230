from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from actors.config.sources import resolve_settings
from actors.redis.client import Durability, Outage, RedisAway, connect, outage, reach

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "a secret of the tests"


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("reset"),
        RedisTimeoutError("slow"),
        BusyLoadingError("loading"),
        ReadOnlyError("replica"),
        OutOfMemoryError("full"),
        AuthenticationError("password"),
        ConnectionResetError("reset"),
        ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        ResponseError("BUSY a script runs"),
    ],
    ids=repr,
)
async def test_every_way_of_being_away_is_one_error(error: Exception) -> None:
    with pytest.raises(RedisAway):
        async with reach():
            raise error


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    with pytest.raises(ResponseError):
        async with reach():
            raise ResponseError("WRONGTYPE Operation against a key")


@pytest.fixture
def watched() -> Iterator[Outage]:
    """The outage that a watch notes, over at the end of the test."""
    yield outage
    outage.note(hangs=False)


async def test_calls_that_wait_end_once_an_outage_is_noted(watched: Outage) -> None:
    async def call() -> None:
        async with reach(deadline=30):
            await asyncio.sleep(30)

    waiting = [asyncio.ensure_future(call()) for _ in range(3)]
    await asyncio.sleep(0)
    watched.note(hangs=True)
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in ends] == [RedisAway] * 3
    with pytest.raises(RedisAway):
        await call()
    watched.note(hangs=False)
    async with reach():
        pass


async def test_a_call_ends_at_its_deadline() -> None:
    with pytest.raises(RedisAway):
        async with reach(deadline=0.05):
            await asyncio.sleep(10)


async def test_cancelling_is_not_an_outage() -> None:
    async def call() -> None:
        async with reach():
            await asyncio.sleep(10)

    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_g11_a_silent_server_is_away_within_bounds_and_named_without_secret(
    tmp_path: Path,
) -> None:
    """A server that accepts and never answers, which a default client waits 59 s for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis = connect(
            resolve_settings(
                data=tmp_path,
                redis_host="127.0.0.1",
                redis_port=silent.getsockname()[1],
                redis_password=SECRET,
            )
        )
        begun = time.monotonic()
        try:
            with pytest.raises(RedisAway) as caught:
                async with reach(deadline=1.0):
                    await redis.get("key")
        finally:
            await redis.aclose()
    assert time.monotonic() - begun < 20
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("durability", "reason"),
    [
        (Durability("yes", "always", "noeviction"), None),
        (Durability("no", "always", "noeviction"), "Redis: appendonly is no, not yes."),
        (
            Durability("yes", "everysec", "allkeys-lru"),
            "Redis: appendfsync is everysec, not always, maxmemory-policy is allkeys-lru, not noeviction.",
        ),
        (
            Durability(None, None, None),
            "Redis: appendonly is not known, not yes, appendfsync is not known, not always, maxmemory-policy is not known, not noeviction.",
        ),
    ],
)
def test_g1_is_said_not_to_hold_unless_all_is_known_to_be_right(
    durability: Durability, reason: str | None
) -> None:
    assert durability.reason == reason
    assert durability.holds is (reason is None)
