"""A cluster that `teimoso down` leaves running, since it is not the instance's own."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from supervision import roster
from tests.integration.tree.head import Head, Tree
from tests.waiting import eventually

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

        await eventually("the tree is gone", over, 10)
        assert await asyncio.to_thread(head._errand, "start") == 0
        after = await tree.complete(standbys=0)
        assert set(before.values()).isdisjoint(after.values())
    finally:
        await tree.close()
        await asyncio.to_thread(head.end)


@pytest.mark.parametrize("how", ["stopped", "lives"])
async def test_a_root_that_hangs_where_the_keeper_ends_no_process_is_replaced(how: str) -> None:
    """G8: Ray calls no actor dead that only hangs, and finds it by its name for ever."""
    head = await asyncio.to_thread(Head(standby_actors=0).__enter__)
    tree = Tree(head)
    try:
        before = (await tree.complete(standbys=0))["root"]
        if how == "stopped":
            os.kill(before, signal.SIGSTOP)
        assert await asyncio.to_thread(head._errand, "start") == 0
        if how == "lives":
            assert (await tree.complete(standbys=0))["root"] == before
            return

        async def another() -> bool:
            roots = [entry.pid for entry in roster.read(head.data) if entry.role == "root"]
            return roots not in ([], [before])

        await eventually("another root is there", another, 30)
    finally:
        await tree.close()
        await asyncio.to_thread(head.end)
