"""G6: of two roots the one that began last acts, and the other is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervision.root_generation import Newest

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served


async def test_a_root_learns_that_another_has_begun(served: Served) -> None:
    first, second = Newest(served.redis), Newest(served.redis)
    assert await first.still()
    assert await first.still()
    assert await second.still()
    assert not await first.still()
    assert await second.still()


async def test_a_root_that_asks_late_takes_it_from_nobody(served: Served) -> None:
    late, successor = Newest(served.redis), Newest(served.redis)
    await late.begin()
    await asyncio.gather(successor.begin(), successor.still())
    assert not await late.still()
    assert await successor.still()


async def test_an_emptied_redis_ends_no_root(served: Served) -> None:
    root = Newest(served.redis)
    assert await root.still()
    await served.redis.flushdb()
    assert await root.still()
    assert await root.still()
    successor = Newest(served.redis)
    assert await successor.still()
    assert not await root.still(), "what was emptied is no reason to act beside a newer one"
