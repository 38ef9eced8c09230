"""What the queue does per second, beside the least that any queue on this server must do.

Figures, not assertions: `pytest -s tests/benchmarks/test_queue.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.lanes import Lanes, Send
from actors.redis.client import connect
from actors.redis.lease import Leases, Owner
from tests.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

MESSAGES = int(os.environ.get("MESSAGES", "5000"))
CLIENTS = 16
CHATS = 500
TEXT = "x" * 300
BARE = """
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'status', 'queued')
redis.call('ZADD', KEYS[2], ARGV[2], KEYS[1])
return 1
"""


async def rate(work: Callable[[int], Awaitable[Any]]) -> tuple[float, float]:
    """Calls per second and the 99th percentile in milliseconds, `CLIENTS` at a time."""
    numbers = itertools.count()
    times: list[float] = []

    async def client() -> None:
        while (number := next(numbers)) < MESSAGES:
            begun = time.perf_counter()
            await work(number)
            times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return MESSAGES / (time.perf_counter() - begun), sorted(times)[len(times) * 99 // 100] * 1000


@pytest.mark.timeout(600)
async def test_rates(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as server:
        settings = server.settings(queue_concurrency=64)
        redis = connect(settings)
        lanes = Lanes(redis, settings)
        epoch = (await Leases(redis).take("shop", Owner("bench", 1, "node"))).epoch
        sha = await redis.script_load(BARE)

        async def bare(number: int) -> None:
            await redis.evalsha(sha, 2, f"{{bare}}:{number}", "{bare}:lane", TEXT, number)

        async def accept(number: int) -> None:
            await lanes.accept(Send("shop", f"{number % CHATS}@s.whatsapp.net", TEXT))

        floor, floor_p99 = await rate(bare)
        print(f"\nbare HSET + ZADD   {floor:8.0f} /s  p99 {floor_p99:6.2f} ms")
        accepted, p99 = await rate(accept)
        print(
            f"accept             {accepted:8.0f} /s  p99 {p99:6.2f} ms  {accepted / floor:.2f} of bare"
        )
        memory = (await redis.info("memory"))["used_memory"]

        done = 0
        begun = time.perf_counter()
        while done < MESSAGES:
            jobs = (await lanes.claim("shop", epoch, 64)).jobs
            now = time.time()
            await asyncio.gather(*(lanes.complete("shop", epoch, job.id, at=now) for job in jobs))
            done += len(jobs)
        pace = MESSAGES / (time.perf_counter() - begun)
        print(f"claim and complete {pace:8.0f} /s                 {pace / floor:.2f} of bare")
        print(f"used memory with {2 * MESSAGES} messages of 300 bytes: {memory / 1e6:.1f} MB")
        await redis.aclose()
