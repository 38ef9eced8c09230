"""Settings of a connection reach the actor that serves it, on a real Ray and the simulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.redis.pokes import poke
from tests.integration.tree.head import kill
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.tree.head import Head, Tree

pytestmark = pytest.mark.timeout(180)

ACCOUNT = "15550100001"
"""That of ``shop``."""


async def test_an_account_is_shown_as_online_by_the_owner_and_by_the_next(
    head: Head, tree: Tree
) -> None:
    """Without a new login where the owner stays; a root that is new asks the owner what it has."""

    async def shown(*, online: bool) -> None:
        def look() -> bool:
            account = head.simulator.get(f"/accounts/{ACCOUNT}").raise_for_status().json()
            return account["online"] is True and account["available"] is online

        await eventually(f"the account is shown, online: {online}", look, 20)

    async def configure(*, online: bool) -> None:
        await tree.connections.configure("shop", show_online=online)
        await poke(tree.redis)

    await shown(online=False)
    before = await tree.lease("shop")
    await configure(online=True)
    await shown(online=True)
    await configure(online=False)
    await shown(online=False)
    await configure(online=True)
    await shown(online=True)
    after = await tree.lease("shop")
    assert (after.epoch, after.since) == (before.epoch, before.since)

    kill(tree.pids()["connection:shop"])
    await eventually("the next owner", lambda: _epoch(tree, after.epoch + 1), 20)
    await shown(online=True)

    root = tree.pids()["root"]
    kill(root)
    await eventually("the next root", lambda: tree.pids().get("root", root) != root, 20)
    await asyncio.sleep(3)  # a whole look later
    await shown(online=True)

    kill(tree.pids()["root"])
    await configure(online=False)
    await shown(online=False)
    await asyncio.sleep(3)  # a whole look later
    assert (await tree.lease("shop")).epoch == after.epoch + 1


async def _epoch(tree: Tree, epoch: int) -> bool:
    return (await tree.lease("shop")).epoch == epoch
