"""The pipeline to Redis: scripts of many callers share a round trip, and each gets its own answer."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from actors.redis.client import connect, outage
from actors.redis.pipeline import RedisPipeline

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey

ECHO = "return ARGV[1]"


async def test_each_caller_gets_its_own_answer_however_they_come(server: Valkey) -> None:
    redis = connect(server.settings())
    pipeline = RedisPipeline(redis)
    sha = await redis.script_load(ECHO)

    async def caller(name: int) -> None:
        for turn in range(30):
            word = f"{name}-{turn}"
            assert await pipeline.evalsha(sha, 0, word) == word

    async with asyncio.timeout(20):  # who asks just as a batch ends is not forgotten
        await asyncio.gather(*(caller(name) for name in range(40)))
    await redis.aclose()


async def test_who_comes_together_goes_together(server: Valkey) -> None:
    redis = connect(server.settings())
    pipeline = RedisPipeline(redis)
    sha = await redis.script_load(ECHO)
    before = (await redis.info("stats"))["total_reads_processed"]
    await asyncio.gather(*(pipeline.evalsha(sha, 0, number) for number in range(100)))
    after = (await redis.info("stats"))["total_reads_processed"]
    assert after - before < 20
    await redis.aclose()


async def test_an_error_is_its_callers_alone(server: Valkey) -> None:
    redis = connect(server.settings())
    pipeline = RedisPipeline(redis)
    sha = await redis.script_load(ECHO)
    outcomes: list[object] = await asyncio.gather(
        pipeline.evalsha(sha, 0, "good"),
        pipeline.eval("return redis.error_reply('BAD thing')", 0),
        pipeline.evalsha("0" * 40, 0),
        return_exceptions=True,
    )
    good, bad, unknown = outcomes
    assert good == "good"
    assert isinstance(bad, ResponseError)
    assert isinstance(unknown, NoScriptError)
    await redis.aclose()


async def test_who_gave_up_before_it_left_is_not_sent(server: Valkey) -> None:
    redis = connect(server.settings())
    pipeline = RedisPipeline(redis)
    write = "redis.call('SET', KEYS[1], '1')"
    gone = asyncio.ensure_future(pipeline.eval(write, 1, "{line}:gone"))
    stays = asyncio.ensure_future(pipeline.eval(write, 1, "{line}:stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert await redis.exists("{line}:gone") == 0
    assert await redis.exists("{line}:stays") == 1
    await redis.aclose()


async def test_a_broken_connection_is_everybodys_error_and_the_next_ones_go(
    own_server: Valkey,
) -> None:
    redis = connect(own_server.settings())
    pipeline = RedisPipeline(redis)
    assert await pipeline.eval(ECHO, 0, "before") == "before"
    own_server.kill()
    outcomes = await asyncio.gather(
        *(pipeline.eval(ECHO, 0, number) for number in range(5)), return_exceptions=True
    )
    assert all(isinstance(each, RedisConnectionError) for each in outcomes)
    own_server.start()
    async with asyncio.timeout(10):
        assert await pipeline.eval(ECHO, 0, "after") == "after"
    await redis.aclose()


async def test_the_repeating_client_of_these_tests_repeats(redis: Redis) -> None:
    pipeline = RedisPipeline(redis)
    sha = await redis.script_load("return redis.call('INCR', KEYS[1])")
    runs = 2 if type(redis).__name__ == "RepeatingRedis" else 1
    assert await pipeline.evalsha(sha, 1, "{line}:runs") == runs


async def test_a_first_run_that_fails_is_not_hidden_by_the_second(redis: Redis) -> None:
    fails_once = (
        "if redis.call('INCR', KEYS[1]) == 1 then return redis.error_reply('FIRST run') end"
    )
    sha = await redis.script_load(fails_once)
    expected: type[Exception] = ResponseError
    said = "FIRST run"
    if type(redis).__name__ == "RepeatingRedis":
        expected, said = AssertionError, "ResponseError"
    with pytest.raises(expected, match=said):
        await RedisPipeline(redis).evalsha(sha, 1, "{line}:runs")


async def test_a_caller_that_waits_too_long_gets_an_error_and_the_next_ones_go(
    own_server: Valkey,
) -> None:
    redis = connect(own_server.settings())
    assert await RedisPipeline(redis).eval(ECHO, 0, "before") == "before"
    pipeline = RedisPipeline(redis, deadline=0.3)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        first = asyncio.ensure_future(pipeline.eval(ECHO, 0, "first"))
        await asyncio.sleep(0.1)
        second = asyncio.ensure_future(pipeline.eval(ECHO, 0, "second"))
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert [type(each) for each in outcomes] == [TimeoutError, TimeoutError]
    assert await RedisPipeline(redis).eval(ECHO, 0, "after") == "after"
    await redis.aclose()


async def test_callers_that_wait_get_an_error_once_an_outage_is_noted(own_server: Valkey) -> None:
    redis = connect(own_server.settings())
    pipeline = RedisPipeline(redis)
    assert await pipeline.eval(ECHO, 0, "before") == "before"
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        waiting = [asyncio.ensure_future(pipeline.eval(ECHO, 0, n)) for n in range(5)]
        await asyncio.sleep(0.1)
        outage.note(hangs=True)
        async with asyncio.timeout(2):  # well before its deadline
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        outage.note(hangs=False)
        os.kill(own_server.pid, signal.SIGCONT)
    assert [type(each) for each in outcomes] == [TimeoutError] * 5
    assert await pipeline.eval(ECHO, 0, "after") == "after"
    await redis.aclose()
