"""A connection that falls again and again is given up, alone, until a person requests a start (G9).

A message that makes it fall is buried (G2).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis import keys
from actors.redis.change_notifications import poke
from actors.state.documents import JOBS, RECOVERY_ACTIONS
from supervision.reconcile import HALF_OPEN
from tests.integration.tree.head import Head, Tree, kill
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.queue.outbound_queue import Record
    from actors.redis.leases.leases import Lease

pytestmark = pytest.mark.timeout(180)

LIMIT = 3
NUMBER = "15550100001"


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    # On a busy machine a life is longer than ten seconds before it is ended here, and counts all the same.
    lasting = {"restart_backoff_base": 100, "min_uptime": 120_000}
    with Head(max_restarts=LIMIT, standby_actors=2, **lasting) as head:
        yield head


@pytest_asyncio.fixture
async def tree(head: Head) -> AsyncIterator[Tree]:
    tree = Tree(head)
    yield tree
    await tree.close()


async def fallen(tree: Tree) -> Lease:
    """Kill the owner as soon as the root knows that it serves; the lease that it had."""

    async def served() -> Lease | None:
        lease = await tree.lease("shop")
        pid = tree.pids().get("connection:shop")
        return lease if lease.owner is not None and lease.owner.pid == pid else None

    lease = await eventually("shop is served", served, 20)
    assert lease.owner is not None
    kill(lease.owner.pid)
    return lease


async def given_up(tree: Tree) -> Lease:
    """The lease of a connection that fell too often; it falls here if no test before saw to it."""
    lease = await tree.lease("shop")
    for _ in range(LIMIT + 1):
        if lease.state == "failed":
            break
        fell = await fallen(tree)

        async def answered(epoch: int = fell.epoch) -> Lease | None:
            now = await tree.lease("shop")
            return now if now.state == "failed" or now.epoch > epoch else None

        lease = await eventually("the fall is answered", answered, 20)
    assert lease.state == "failed"

    async def settled() -> bool:
        document = await tree.connections.get("shop")
        seen = None if document is None else document.observed
        return seen is not None and (seen.state, seen.epoch) == ("failed", lease.epoch)

    await eventually("the verdict is written down to its end", settled, 10)
    return await tree.lease("shop")


async def on_record(tree: Tree, actions: list[str]) -> None:
    async def said() -> bool:
        found = (await tree.documents.query(RECOVERY_ACTIONS)).items
        return sorted(each["action"] for each in found if each["connection"] == "shop") == actions

    await eventually(f"{actions} are on record", said, 5)


async def noted(tree: Tree, falls: int) -> None:
    """A root writes them down beside its work; the next one knows those."""

    async def written() -> bool:
        document = await tree.connections.get("shop")
        return document is not None and len(document.falls) == falls

    await eventually(f"{falls} falls are noted", written, 5)


async def root_killed(tree: Tree) -> None:
    before = tree.pids()
    kill(before["root"])

    async def back() -> bool:
        return tree.pids().get("root") not in {None, before["root"]}

    await eventually("the root is back", back, 10)


async def test_a_crash_loop_ends_as_failed_and_disturbs_nobody(tree: Tree) -> None:
    await tree.complete(standbys=2)
    await tree.create("shop", "kiosk")
    await tree.complete("shop", "kiosk", standbys=2)
    other = await tree.lease("kiosk")
    for fall in range(LIMIT + 1):
        if fall == LIMIT - 1:
            await on_record(tree, ["restarted"] * fall)
            await noted(tree, fall)
            await root_killed(tree)  # it returns no budget
        lease = await fallen(tree)
        if fall < LIMIT:
            await tree.newer("shop", lease, 20)
    failed = await tree.state("shop", "failed")
    assert (failed.cause, failed.owner) == ("crash_loop", None)
    await asyncio.sleep(2.5)
    assert (await tree.lease("shop")).epoch == failed.epoch
    assert (await tree.lease("kiosk")).epoch == other.epoch

    await on_record(tree, ["gave_up"] + ["restarted"] * LIMIT)

    async def counted() -> bool:
        return tree.counted("teimoso_given_up", cause="crash_loop") == 1

    await eventually("it is counted", counted, 10)
    document = await tree.connections.get("shop")
    assert document is not None
    assert document.observed is not None
    assert (document.observed.state, document.observed.cause) == ("failed", "crash_loop")


async def test_a_restarted_root_leaves_it_failed(tree: Tree) -> None:
    await given_up(tree)
    await root_killed(tree)
    await asyncio.sleep(2.5)
    assert (await tree.lease("shop")).state == "failed"


async def test_half_open_it_is_tried_once(tree: Tree) -> None:
    """Five minutes after it was given up, which the test does not wait for; see `HALF_OPEN`."""
    failed = await given_up(tree)
    await tree.redis.hset(keys.of("shop").lease, "since", str(time.time() - HALF_OPEN))
    await tree.newer("shop", failed, 20)
    lease = await fallen(tree)
    again = await tree.state("shop", "failed")
    assert (again.cause, again.epoch) == ("crash_loop", lease.epoch)


async def test_recovery_is_at_once_with_a_whole_budget(tree: Tree) -> None:
    failed = await given_up(tree)
    await tree.connections.request_recovery("shop")
    await poke(tree.redis)
    await tree.newer("shop", failed, 20)
    for _ in range(LIMIT):
        lease = await fallen(tree)
        await tree.newer("shop", lease, 20)


async def test_a_message_that_makes_it_fall_is_buried_and_what_flew_beside_it_is_sent(
    tree: Tree,
) -> None:
    """G2: two processes die in its sending; both deaths are in its record, and no third follows."""
    await tree.create("bar")
    await tree.pair("bar", NUMBER)
    lanes = OutboundQueue(tree.redis, tree.head.settings)
    swallow = {"account": NUMBER, "kind": "swallow"}
    tree.head.simulator.post("/faults", json=swallow).raise_for_status()
    texts = ("bad", "beside")
    bad, beside = [
        (await lanes.accept(Send("bar", f"1555010000{chat}@s.whatsapp.net", text))).record
        for chat, text in enumerate(texts, 2)
    ]

    async def becomes(record: Record, status: str, crashes: int) -> Record:
        # Its receipts come soon, and both of them may come at once.
        wanted = {"sent", "delivered", "read"} if status == "sent" else {status}

        async def look() -> Record | None:
            found = await lanes.reader.get(record.id)
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
    first = await tree.lease("bar")
    kill(tree.pids()["connection:bar"])
    await becomes(bad, "sending", 1)
    await becomes(beside, "queued", 1)
    await swallowed(3)
    tree.head.simulator.delete("/faults").raise_for_status()
    second = await tree.lease("bar")
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


async def test_a_standby_on_its_way_does_not_outlive_the_stop(tree: Tree, head: Head) -> None:
    """The last test of the module: nothing runs afterwards."""
    before = await tree.complete(standbys=2)
    kill(before["standby:0"])
    kill(before["standby:1"])
    head.stop()
    await asyncio.sleep(2)
    actors = [each for each in head.family() if "".join(each.cmdline()).startswith("ray::Conn")]
    assert not actors
    assert not tree.pids()
