from __future__ import annotations

import asyncio

from actors.connection.draining import Progress, Stage
from actors.shell import end_tasks


class Items:
    """What waits to be settled; one step settles all of it."""

    def __init__(self) -> None:
        self.waiting = 1
        self.rounds = 0

    async def step(self) -> Progress:
        if not self.waiting:
            return Progress.EMPTY
        self.rounds += 1
        self.waiting = 0
        return Progress.SETTLED


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def come(items: Items, stage: Stage, count: int) -> None:
    for _ in range(count):
        items.waiting += 1
        stage.look()
        await turns()


async def test_the_first_round_is_at_once_and_what_comes_then_shares_the_next() -> None:
    items = Items()
    stage = Stage(items.step, apart=3600.0)
    running = asyncio.ensure_future(stage.run())
    await turns()
    await come(items, stage, 20)
    assert (items.rounds, items.waiting) == (1, 20)
    assert await stage.once()  # who ends does not wait for it
    assert (items.rounds, items.waiting) == (2, 0)
    await end_tasks([running], 1.0)


async def test_what_comes_between_two_rounds_is_not_forgotten() -> None:
    items = Items()
    stage = Stage(items.step, apart=0.01)
    running = asyncio.ensure_future(stage.run())
    await turns()
    await come(items, stage, 20)
    async with asyncio.timeout(10):
        while items.waiting:  # noqa: ASYNC110 - a stage tells nobody
            await asyncio.sleep(0.005)
    await end_tasks([running], 1.0)
