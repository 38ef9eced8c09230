"""What the queue does per second, beside the least that any queue on this server must do."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from actors.queue.lanes import Lanes, Send
from actors.redis.client import connect
from actors.redis.lease import Leases, Owner
from tests.benchmarks.figures import Figure, Figures, median, turns
from tests.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
MESSAGES = int(os.environ.get("MESSAGES", "2000"))
CLIENTS = 16
DEPTHS = [int(each) for each in os.environ.get("DEPTHS", "0,10000,1000000").split(",")]
CHATS = 500
TEXT = "x" * 300
BARE = """
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'status', 'queued')
redis.call('ZADD', KEYS[2], ARGV[2], KEYS[1])
return 1
"""


async def rate(work: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Calls per second and the 99th percentile in milliseconds, `CLIENTS` at a time."""
    numbers = itertools.count()
    times: list[float] = []

    async def client() -> None:
        while next(numbers) < MESSAGES:
            begun = time.perf_counter()
            await work()
            times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return MESSAGES / (time.perf_counter() - begun), sorted(times)[len(times) * 99 // 100] * 1000


@pytest.mark.timeout(300)
async def test_accept_claim_complete(figures: Figures, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as server:
        settings = server.settings(queue_concurrency=64)
        redis = connect(settings)
        lanes = Lanes(redis, settings)
        epoch = (await Leases(redis).take("shop", Owner("bench", 1, "node"))).epoch
        sha = await redis.script_load(BARE)
        number = itertools.count()

        async def bare() -> None:
            name = next(number)
            await redis.evalsha(sha, 2, f"{{bare}}:{name}", "{bare}:lane", TEXT, name)

        async def accept() -> None:
            await lanes.accept(Send("shop", f"{next(number) % CHATS}@s.whatsapp.net", TEXT))

        async def drained() -> float:
            done, begun = 0, time.perf_counter()
            while done < MESSAGES:
                jobs = (await lanes.claim("shop", epoch, 64)).jobs
                now = time.time()
                await asyncio.gather(
                    *(lanes.complete("shop", epoch, job.id, at=now) for job in jobs)
                )
                done += len(jobs)
            return MESSAGES / (time.perf_counter() - begun)

        floors: list[tuple[float, float]] = []
        accepted: list[tuple[float, float]] = []
        claimed = []
        for turn in range(ROUNDS):
            for work, found in turns(turn, (bare, floors), (accept, accepted)):
                found.append(await rate(work))
            claimed.append(await drained())
        floor = median([each for each, _ in floors])
        p99 = median([late for _, late in accepted])
        bare_p99 = median([late for _, late in floors])
        figures.add(
            Figure(
                "queue: accept, beside a bare script",
                median([each for each, _ in accepted]),
                "/s",
                against=floor,
                at_least=0.7,
                remarks={"p99": f"{p99:.1f} ms (bare {bare_p99:.1f})"},
            )
        )
        figures.add(
            Figure(
                "queue: claim and complete, beside a bare script",
                median(claimed),
                "/s",
                against=floor,
                at_least=0.5,
            )
        )
        await redis.aclose()


async def operate(
    lanes: Lanes, epoch: int, accept: Callable[[], Awaitable[None]], times: list[float]
) -> None:
    """Accept, claim and complete `MESSAGES`; the seconds of each call go to `times`."""

    async def timed(work: Awaitable[T]) -> T:
        begun = time.perf_counter()
        done = await work
        times.append(time.perf_counter() - begun)
        return done

    batches = MESSAGES // CLIENTS
    for _ in range(batches):
        await asyncio.gather(*(timed(accept()) for _ in range(CLIENTS)))
    left = batches * CLIENTS
    while left:
        jobs = (await timed(lanes.claim("shop", epoch, CLIENTS))).jobs
        at = time.time()
        await asyncio.gather(*(timed(lanes.complete("shop", epoch, job.id, at=at)) for job in jobs))
        left -= len(jobs)


@pytest.mark.timeout(900)
async def test_operations_while_many_wait(figures: Figures, tmp_path: Path) -> None:
    """What an operation costs may not depend on how many messages wait.

    Per depth: `MESSAGES` are accepted, and as many claimed and completed, so that the depth stays.
    The rewrite of the append-only file that the growth set off is waited for: it costs a core for
    some seconds each time the file doubles, whatever is asked meanwhile.
    """
    with Valkey(tmp_path / "valkey") as server:
        settings = server.settings(queue_concurrency=64)
        redis = connect(settings)
        lanes = Lanes(redis, settings)
        epoch = (await Leases(redis).take("shop", Owner("bench", 1, "node"))).epoch
        number = itertools.count()

        async def accept() -> None:
            await lanes.accept(Send("shop", f"{next(number) % CHATS}@s.whatsapp.net", TEXT))

        async def memory() -> int:
            told: Any = await redis.info("memory")
            return int(told["used_memory"])

        async def rewritten() -> None:
            while True:
                told: Any = await redis.info("persistence")
                if not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]):
                    return
                await asyncio.sleep(0.2)

        empty, waiting = await memory(), 0
        least: float | None = None
        for depth in DEPTHS:
            while waiting < depth:
                batch = min(4096, depth - waiting)
                await asyncio.gather(*(accept() for _ in range(batch)))
                waiting += batch
            await rewritten()
            remarks: dict[str, float | str] = {}
            if depth:
                remarks["bytes a message"] = (await memory() - empty) / depth
            rates, p99s = [], []
            for _ in range(ROUNDS):
                times: list[float] = []
                begun = time.perf_counter()
                await operate(lanes, epoch, accept, times)
                rates.append(len(times) / (time.perf_counter() - begun))
                p99s.append(sorted(times)[len(times) * 99 // 100] * 1000)
            found = median(rates)
            figures.add(
                Figure(
                    f"queue: operations while {depth:,} wait",
                    found,
                    "/s",
                    against=least,
                    at_least=None if least is None else 0.83,
                    remarks={"p99": f"{median(p99s):.1f} ms", **remarks},
                )
            )
            least = least or found
        await redis.aclose()
