"""Operations of the queue per second, beside the least that any queue on this server must do."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pytest

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.benchmarks.figures import Figure, Figures, median, turns
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
MESSAGES = int(os.environ.get("MESSAGES", "2000"))
CLIENTS = 16
DEPTHS = [int(each) for each in os.environ.get("DEPTHS", "10000,1000000").split(",")]
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
        lanes = OutboundQueue(redis, settings)
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
                jobs = (await lanes.claims.claim("shop", epoch, 64)).jobs
                now = time.time()
                await asyncio.gather(
                    *(lanes.claims.complete("shop", epoch, job.id, at=now) for job in jobs)
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


class Queue:
    """A queue on a server of its own, and how fast it is."""

    def __init__(self, server: Valkey) -> None:
        # A million messages of one connection take more than its default budget.
        settings = server.settings(queue_concurrency=64, queue_memory_per_connection=0)
        self._redis = connect(settings)
        self._lanes = OutboundQueue(self._redis, settings)
        self._number = itertools.count()
        self._epoch = 0
        self.waiting = 0
        self.rates: list[float] = []
        self.p99s: list[float] = []

    async def __aenter__(self) -> Self:
        lease = await Leases(self._redis).take("shop", Owner("bench", 1, "node"))
        self._epoch = lease.epoch
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lanes.close()
        await self._redis.aclose()

    async def fill(self, depth: int) -> None:
        """Accept until so many wait.

        The rewrite of the append-only file that the growth set off is waited for: it costs a core
        for some seconds each time the file doubles, whatever is asked meanwhile.
        """
        while self.waiting < depth:
            batch = min(4096, depth - self.waiting)
            async with asyncio.TaskGroup() as group:  # the first that fails ends the others
                for _ in range(batch):
                    group.create_task(self._accept())
            self.waiting += batch
        while True:
            told: Any = await self._redis.info("persistence")
            if not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"]):
                return
            await asyncio.sleep(0.2)

    async def memory(self) -> int:
        told: Any = await self._redis.info("memory")
        return int(told["used_memory"])

    async def measure(self) -> None:
        """Accept, claim and complete `MESSAGES`, so that as many wait as before."""
        times: list[float] = []

        async def timed(work: Awaitable[T]) -> T:
            begun = time.perf_counter()
            done = await work
            times.append(time.perf_counter() - begun)
            return done

        begun = time.perf_counter()
        batches = MESSAGES // CLIENTS
        for _ in range(batches):
            await asyncio.gather(*(timed(self._accept()) for _ in range(CLIENTS)))
        left = batches * CLIENTS
        while left:
            jobs = (await timed(self._lanes.claims.claim("shop", self._epoch, CLIENTS))).jobs
            at = time.time()
            await asyncio.gather(
                *(
                    timed(self._lanes.claims.complete("shop", self._epoch, job.id, at=at))
                    for job in jobs
                )
            )
            left -= len(jobs)
        self.rates.append(len(times) / (time.perf_counter() - begun))
        self.p99s.append(sorted(times)[len(times) * 99 // 100] * 1000)

    async def _accept(self) -> None:
        await self._lanes.accept(Send("shop", f"{next(self._number) % CHATS}@s.whatsapp.net", TEXT))


@pytest.mark.timeout(900)
async def test_operations_while_many_wait(figures: Figures, tmp_path: Path) -> None:
    """The cost of an operation does not depend on the number of waiting messages.

    In turns with a queue beside it in which none does, on a server of its own.
    """
    with Valkey(tmp_path / "full") as one, Valkey(tmp_path / "empty") as other:
        await _compare(figures, one, other)


async def _compare(figures: Figures, one: Valkey, other: Valkey) -> None:
    async with Queue(one) as full, Queue(other) as empty:
        at_first = await full.memory()
        for depth in DEPTHS:
            await full.fill(depth)
            remarks = {"bytes a message": (await full.memory() - at_first) / depth}
            for queue in (full, empty):
                queue.rates, queue.p99s = [], []
            for turn in range(ROUNDS):
                for queue in turns(turn, full, empty):
                    await queue.measure()
            late, usual = median(full.p99s), median(empty.p99s)
            figures.add(
                Figure(
                    f"queue: operations while {depth:,} wait, beside none",
                    median(full.rates),
                    "/s",
                    against=median(empty.rates),
                    at_least=0.83,
                    remarks={"p99": f"{late:.1f} ms (none: {usual:.1f})", **remarks},
                )
            )
