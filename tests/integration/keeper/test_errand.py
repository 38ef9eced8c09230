"""A cluster that `teimoso down` leaves running, since it is not the instance's own."""

from __future__ import annotations

import asyncio

import pytest

from supervision import roster
from tests.integration.tree.head import Head, Tree, until

pytestmark = pytest.mark.timeout(180)


async def test_after_down_there_is_another_root() -> None:
    """Ray keeps an actor that stopped under its name: the next start may not find that one."""
    head = await asyncio.to_thread(Head(standby_actors=0).__enter__)
    tree = Tree(head)
    try:
        before = await tree.complete(standbys=0)
        await asyncio.to_thread(head.stop)

        async def over() -> bool:
            return not roster.read(head.data)

        await until("the tree is gone", over, 10)
        assert await asyncio.to_thread(head._errand, "start") == 0
        after = await tree.complete(standbys=0)
        assert set(before.values()).isdisjoint(after.values())
    finally:
        await tree.close()
        await asyncio.to_thread(head.end)
