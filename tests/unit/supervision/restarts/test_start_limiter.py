"""The limiter of a wave: bounded, in order, and not held by one that is stuck (G9)."""

from __future__ import annotations

import asyncio
import time

from supervision.restarts.policy import Wave
from supervision.restarts.start_limiter import StartLimiter


async def test_no_more_than_the_wave_at_a_time() -> None:
    limiter, inside, most = StartLimiter(Wave(size=3, patience=60, spread=0)), 0, 0

    async def start(name: str) -> None:
        nonlocal inside, most
        async with limiter.slot(name):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.005)
            inside -= 1

    await asyncio.gather(*(start(str(number)) for number in range(20)))
    assert most == 3


async def test_a_stuck_start_does_not_hold_the_wave() -> None:
    limiter, done = StartLimiter(Wave(size=1, patience=0.1, spread=0)), []

    async def stuck() -> None:
        async with limiter.slot("stuck"):
            await asyncio.sleep(30)

    async def start(name: str) -> None:
        async with limiter.slot(name):
            done.append(name)

    holding = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    began = time.monotonic()
    await asyncio.gather(*(start(name) for name in "abc"))
    assert done == ["a", "b", "c"]
    assert time.monotonic() - began < 25
    assert not holding.done()
    holding.cancel()


async def test_a_start_that_is_spread_occupies_no_slot() -> None:
    """All are spread over the same half second, and not each over one of its own."""
    limiter = StartLimiter(Wave(size=1, patience=60, spread=0.5))

    async def start(name: str) -> None:
        async with limiter.slot(name):
            pass

    began = time.monotonic()
    await asyncio.gather(*(start(str(number)) for number in range(40)))
    assert time.monotonic() - began < 2.5


async def test_admitted_ends_once_no_start_waits_for_a_slot() -> None:
    limiter, free, begun = StartLimiter(Wave(size=2, patience=60, spread=0)), asyncio.Event(), []

    async def start(name: str) -> None:
        async with limiter.slot(name):
            begun.append(name)
            await free.wait()

    await asyncio.wait_for(limiter.admitted(), 1)
    starts = [asyncio.create_task(start(name)) for name in "abc"]
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(limiter.admitted())
    await asyncio.sleep(0.01)
    assert begun == ["a", "b"]
    assert not waiting.done()
    free.set()
    await asyncio.wait_for(waiting, 1)
    assert begun[2:] == ["c"]
    await asyncio.gather(*starts)


async def test_one_that_gives_up_waiting_leaves_no_trace() -> None:
    limiter, done = StartLimiter(Wave(size=1, patience=60, spread=0)), []
    inside = asyncio.Event()

    async def hold() -> None:
        async with limiter.slot("first"):
            inside.set()
            await asyncio.sleep(0.05)

    async def start(name: str) -> None:
        async with limiter.slot(name):
            done.append(name)

    first = asyncio.create_task(hold())
    await inside.wait()
    quitter, second = asyncio.create_task(start("quitter")), asyncio.create_task(start("second"))
    await asyncio.sleep(0)
    quitter.cancel()
    await asyncio.gather(first, second)
    assert done == ["second"]
