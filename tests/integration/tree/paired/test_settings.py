"""Settings of a connection reach the actor that serves it, on a real Ray and the simulator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.redis.change_notifications import poke
from tests.integration.tree.head import kill
from tests.processes.proxy import PASSWORD, USER, Proxy
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.head import Head, Tree

pytestmark = pytest.mark.timeout(180)

ACCOUNT = "15550100001"
"""That of ``shop``."""

CALLER = "15550100077"


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


async def test_a_connection_goes_through_its_proxy_with_each_owner(head: Head, tree: Tree) -> None:
    """Its own cause where that lets nothing through; never directly, also after deaths of owner and root."""

    async def configure(url: str | None) -> None:
        await tree.connections.configure("shop", proxy=url)
        await poke(tree.redis)

    async def is_so(state: str, cause: str | None = None) -> None:
        async def look() -> bool:
            lease = await tree.lease("shop")
            return lease.state == state and (cause is None or lease.cause == cause)

        await eventually(f"shop is {state}, {cause}", look, 30)

    await is_so("open")
    with Proxy("socks5") as proxy:
        await configure(proxy.url)
        await eventually("it goes through the proxy", lambda: proxy.open == 1, 20)
        await is_so("open")
        epoch = (await tree.lease("shop")).epoch

        kill(tree.pids()["connection:shop"])
        await eventually("the next owner", lambda: _epoch(tree, epoch + 1), 20)
        await is_so("open")
        assert proxy.open == 1

        root = tree.pids()["root"]
        kill(root)
        await eventually("the next root", lambda: tree.pids().get("root", root) != root, 20)
        await asyncio.sleep(3)  # a whole look later
        assert (proxy.open, (await tree.lease("shop")).epoch) == (1, epoch + 1)

        proxy.stop()
        await is_so("reconnecting", "proxy_unreachable")
        proxy.start()
        await is_so("open")
        await configure(proxy.url_of(USER, "wr0ng-password"))
        await is_so("reconnecting", "proxy_authentication_failed")
        kill(tree.pids()["connection:shop"])
        await eventually("the next owner", lambda: _epoch(tree, epoch + 2), 20)
        await is_so("reconnecting", "proxy_authentication_failed")
        proxy.refuses = True
        await configure(proxy.url)
        await is_so("reconnecting", "proxy_refused")
        proxy.refuses = False
        await is_so("open")
        assert proxy.open == 1
        await configure(None)
        await eventually("it leaves the proxy", lambda: proxy.open == 0, 20)
        await is_so("open")
    for file in head.data.rglob("*"):
        if file.is_file() and ".log" in file.name:
            said = file.read_bytes()
            assert PASSWORD.encode() not in said, file
            assert b"wr0ng-password" not in said, file


async def test_calls_are_refused_and_answered_by_the_owner_and_by_the_next(
    head: Head, tree: Tree
) -> None:
    text = "No calls here, please write."
    await tree.connections.configure("shop", reject_calls=True, reject_calls_text=text)
    await poke(tree.redis)

    def calls(state: str) -> int:
        found = head.simulator.get(f"/contacts/{CALLER}/call").raise_for_status().json()
        return sum(each["state"] == state for each in found["items"])

    def texts() -> int:
        """Messages with the text; a kill before the ack has one of them sent again under its id (G3)."""
        found = head.simulator.get(f"/contacts/{CALLER}/inbox").raise_for_status().json()["items"]
        return sum(each["text"] == text for each in found)

    def ring() -> None:
        head.simulator.post(f"/contacts/{CALLER}/call", json={"to": ACCOUNT}).raise_for_status()

    await asyncio.sleep(3)  # a whole look later
    ring()
    await eventually("the call is refused", lambda: calls("rejected") == 1, 20)
    await eventually("its caller is written to", lambda: texts() == 1, 20)
    kill(tree.pids()["connection:shop"])
    ring()  # it waits for the next owner
    await eventually("the next owner refuses it", lambda: calls("rejected") == 2, 30)
    await eventually("its caller is written to", lambda: texts() == 2, 20)
    await tree.connections.configure("shop", reject_calls=False)
    await poke(tree.redis)
    await asyncio.sleep(3)
    ring()
    await asyncio.sleep(3)
    assert (calls("ringing"), texts()) == (1, 2)


async def _epoch(tree: Tree, epoch: int) -> bool:
    return (await tree.lease("shop")).epoch == epoch
