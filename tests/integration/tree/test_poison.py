"""A message in whose sending two processes of a connection die, as the whole tree sees it (G2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.lanes import Lanes, Send
from actors.state.documents import JOBS
from tests.integration.tree.head import Head, Tree, kill
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.queue.lanes import Record

pytestmark = pytest.mark.timeout(180)

NUMBER = "15550100001"


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with Head(restart_backoff_base=100) as head:
        yield head


@pytest_asyncio.fixture
async def tree(head: Head) -> AsyncIterator[Tree]:
    tree = Tree(head)
    await tree.complete()
    await tree.create("shop")
    await tree.pair("shop", NUMBER)
    yield tree
    await tree.close()


async def test_it_is_buried_with_both_deaths_and_what_flew_beside_it_is_sent(tree: Tree) -> None:
    lanes = Lanes(tree.redis, tree.head.settings)
    swallow = {"account": NUMBER, "kind": "swallow"}
    tree.head.simulator.post("/faults", json=swallow).raise_for_status()
    texts = ("bad", "beside")
    bad, beside = [
        (await lanes.accept(Send("shop", f"1555010000{chat}@s.whatsapp.net", text))).record
        for chat, text in enumerate(texts, 2)
    ]

    async def becomes(record: Record, status: str, crashes: int) -> Record:
        wanted = {status, "delivered"} if status == "sent" else {status}  # its receipt comes soon

        async def look() -> Record | None:
            found = await lanes.get(record.id)
            assert found is not None
            return found if found.status in wanted and len(found.crashes) == crashes else None

        return await eventually(f"{record.text} {status}", look, 30)

    async def swallowed(count: int) -> None:
        async def look() -> bool:
            (fault,) = tree.head.simulator.get("/faults").json()["items"]
            return bool(fault["struck"] >= count)

        await eventually(f"{count} attempts left and were lost", look, 15)

    await swallowed(2)
    await asyncio.gather(becomes(bad, "sending", 0), becomes(beside, "sending", 0))
    first = await tree.lease("shop")
    kill(tree.pids()["connection:shop"])
    await becomes(bad, "sending", 1)
    await becomes(beside, "queued", 1)
    await swallowed(3)
    tree.head.simulator.delete("/faults").raise_for_status()
    second = await tree.lease("shop")
    assert second.owner is not None
    kill(second.owner.pid)
    dead = await becomes(bad, "dead", 2)
    sent = await becomes(beside, "sent", 1)

    assert (dead.error, dead.uncertain) == ("poison", True)
    assert [(crash.epoch, crash.cause) for crash in dead.crashes] == [
        (first.epoch, "crashed"),
        (second.epoch, "crashed"),
    ]
    assert (sent.error, sent.uncertain) == (None, False)

    async def mirrored() -> bool:
        job = await tree.documents.get(JOBS, bad.id)
        return job is not None and job["status"] == "dead" and len(job["crashes"]) == 2

    await eventually("the store says so", mirrored, 10)
