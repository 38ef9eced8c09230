"""G6: of two roots the one that began last acts, and the other learns of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervision.root_generation import RootGeneration

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served


async def test_a_root_learns_that_another_has_begun(served: Served) -> None:
    first, second = RootGeneration(served.redis), RootGeneration(served.redis)
    assert await first.is_newest()
    assert await first.is_newest()
    assert await second.is_newest()
    assert not await first.is_newest()
    assert await second.is_newest()


async def test_a_root_that_asks_late_takes_it_from_nobody(served: Served) -> None:
    late, successor = RootGeneration(served.redis), RootGeneration(served.redis)
    await late.begin()
    await asyncio.gather(successor.begin(), successor.is_newest())
    assert not await late.is_newest()
    assert await successor.is_newest()


async def test_an_emptied_redis_ends_no_root(served: Served) -> None:
    root = RootGeneration(served.redis)
    assert await root.is_newest()
    await served.redis.flushdb()
    assert await root.is_newest()
    assert await root.is_newest()
    successor = RootGeneration(served.redis)
    assert await successor.is_newest()
    assert not await root.is_newest(), "what was emptied is no reason to act beside a newer one"
