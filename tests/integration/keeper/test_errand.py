"""A cluster that `teimoso down` leaves running, since it is not the instance's own.

One head serves all of this file; each test leaves a tree on it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from supervision.reports import process_files
from tests.integration.tree.head import Head, Tree
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with Head(standby_actors=0) as running:
        yield running


@pytest_asyncio.fixture
async def tree(head: Head) -> AsyncIterator[Tree]:
    found = Tree(head)
    yield found
    await found.close()


async def test_after_down_there_is_another_root(head: Head, tree: Tree) -> None:
    """Ray keeps an actor that stopped under its name: the next start may not find that one."""
    before = await tree.complete(standbys=0)
    await asyncio.to_thread(head.stop)

    async def over() -> bool:
        return not process_files.read(head.data)

    await eventually("the tree is gone", over, 10)
    assert await asyncio.to_thread(head._errand, "start") == 0
    after = await tree.complete(standbys=0)
    assert set(before.values()).isdisjoint(after.values())


@pytest.mark.parametrize("how", ["lives", "stopped"])
async def test_a_root_that_hangs_where_the_keeper_ends_no_process_is_replaced(
    head: Head, tree: Tree, how: str
) -> None:
    """G8: Ray calls no actor dead that only hangs, and finds it by its name for ever."""
    before = (await tree.complete(standbys=0))["root"]
    if how == "stopped":
        os.kill(before, signal.SIGSTOP)
    assert await asyncio.to_thread(head._errand, "start") == 0
    if how == "lives":
        assert (await tree.complete(standbys=0))["root"] == before
        return

    async def another() -> bool:
        roots = [entry.pid for entry in process_files.read(head.data) if entry.role == "root"]
        return roots not in ([], [before])

    await eventually("another root is there", another, 30)
