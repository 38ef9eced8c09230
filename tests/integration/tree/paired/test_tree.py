"""The tree on a real Ray, a real Valkey and the simulator: who dies, and who is back when.

Recovery is bounded (G8); the figures are printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.connection.session.schema import APPLICATION_ID
from actors.connection.session.schema_changes import VERSION
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis import keys
from actors.redis.change_notifications import poke
from actors.redis.client import connect
from actors.redis.leases.leases import Owner
from actors.runtime.processes import start_of
from actors.state.documents import JOBS, MESSAGES, RECOVERY_ACTIONS, Where
from tests.integration.tree.head import kill
from tests.integration.tree.unwritable import unwritable
from tests.waits import NOISE, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.queue.outbound_queue import Record
    from tests.integration.tree.head import Head, Tree
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(180)

CONTACT = "15550100002"


@pytest_asyncio.fixture
async def lanes(head: Head) -> AsyncIterator[OutboundQueue]:
    redis = connect(head.settings)
    lanes = OutboundQueue(redis, head.settings)
    yield lanes
    await lanes.close()
    await redis.aclose()


async def accept(lanes: OutboundQueue, text: str, connection: str = "shop") -> Record:
    return (await lanes.accept(Send(connection, f"{CONTACT}@s.whatsapp.net", text))).record


async def sent(lanes: OutboundQueue, record: Record, seconds: float = 20) -> float:
    """Seconds until WhatsApp had it."""
    began = time.monotonic()

    async def look() -> bool:
        found = await lanes.reader.get(record.id)
        return found is not None and found.status in {"sent", "delivered", "read"}

    await eventually(f"{record.id} is sent", look, seconds)
    return time.monotonic() - began


async def test_a_killed_connection_goes_on_on_a_standby(
    tree: Tree, lanes: OutboundQueue, figure: Figure
) -> None:
    """G2, G6, G7, G8: first message again within a second, and no other is disturbed (G9)."""
    before, lease, other = tree.pids(), await tree.lease("shop"), await tree.lease("kiosk")
    await sent(lanes, await accept(lanes, "warm"))
    kill(before["connection:shop"])
    seconds = await sent(lanes, await accept(lanes, "after the kill"))
    figure(f"connection killed: first message after {seconds * 1000:.0f} ms")
    assert seconds <= 1 * NOISE
    after = await tree.lease("shop")
    assert after.epoch == lease.epoch + 1
    assert after.restarts == lease.restarts + 1
    assert after.owner is not None
    assert after.owner.pid == before["standby:0"]
    full = await tree.complete("shop", "kiosk")
    assert full["standby:0"] not in before.values()
    same = await tree.lease("kiosk")
    assert (same.epoch, same.owner, same.since) == (other.epoch, other.owner, other.since)
    actions = (await tree.documents.query(RECOVERY_ACTIONS)).items
    [action] = [each for each in actions if each["epoch_after"] == after.epoch]
    assert (action["connection"], action["cause"], action["action"]) == (
        "shop",
        "crashed",
        "restarted",
    )


async def test_a_restarted_root_adopts_what_lives(
    tree: Tree, lanes: OutboundQueue, figure: Figure
) -> None:
    """G8: the same processes, no reconnect, within ten seconds."""
    before, leases = tree.pids(), await tree.leases.read_all(["shop", "kiosk"])
    kill(before["root"])
    began = time.monotonic()
    assert await sent(lanes, await accept(lanes, "without a root")) < 1 * NOISE

    async def adopted() -> bool:
        pids = tree.pids()
        return pids.keys() == before.keys() and pids["root"] != before["root"]

    await eventually("the root is back", adopted, 10)
    figure(f"root killed: adopted after {time.monotonic() - began:.2f} s")
    await asyncio.sleep(3)  # a whole look later
    after = tree.pids()
    assert {**after, "root": 0} == {**before, "root": 0}
    now = await tree.leases.read_all(["shop", "kiosk"])
    assert {name: (lease.epoch, lease.since) for name, lease in now.items()} == {
        name: (lease.epoch, lease.since) for name, lease in leases.items()
    }


async def test_a_connection_that_dies_with_the_root_is_found(tree: Tree) -> None:
    before, lease = tree.pids(), await tree.lease("shop")
    os.kill(before["root"], signal.SIGKILL)
    kill(before["connection:shop"])
    after, _ = await tree.newer("shop", lease, 10 * NOISE)
    await tree.state("shop", "open")

    async def noted() -> dict[str, Any] | None:
        actions = (await tree.documents.query(RECOVERY_ACTIONS)).items
        return next((each for each in actions if each["epoch_after"] == after.epoch), None)

    action = await eventually("it is in the history", noted, 10)
    assert (action["cause"], action["before"]) == ("crashed", "open")


async def test_a_hung_connection_is_replaced(tree: Tree, figure: Figure) -> None:
    """G8: a stopped process, within fifteen seconds; it is dead before its successor begins."""
    before, lease = tree.pids(), await tree.lease("shop")
    hung = {"role": "connection", "cause": "hung"}
    counted = tree.counted("teimoso_restarts", **hung)
    os.kill(before["connection:shop"], signal.SIGSTOP)
    after, seconds = await tree.newer("shop", lease, 15 * NOISE)
    figure(f"connection stopped: replaced after {seconds:.1f} s")
    assert start_of(before["connection:shop"]) is None
    assert after.owner is not None
    await tree.state("shop", "open")
    await tree.until_counted("teimoso_restarts", (counted or 0) + 1, **hung)


async def test_killed_services_are_back(
    tree: Tree, head: Head, lanes: OutboundQueue, figure: Figure
) -> None:
    """G5, G8: within three seconds; sends go on meanwhile, and what arrives is stored, once."""
    services = ("queue", "state", "health")
    before, lease = tree.pids(), await tree.lease("shop")
    for role in services:
        kill(before[role])
    began = time.monotonic()
    said = [f"said {number}" for number in range(10)]
    for text in said:
        head.simulator.post(
            f"/contacts/{CONTACT}/say", json={"to": "15550100001", "text": text}
        ).raise_for_status()
    assert await sent(lanes, await accept(lanes, "without services")) < 1 * NOISE

    async def back() -> bool:
        pids = tree.pids()
        return all(pids.get(role) not in {None, before[role]} for role in services)

    await eventually("they are back", back, 3 * NOISE)
    seconds = time.monotonic() - began
    figure(f"queue, state and health killed: back after {seconds:.2f} s")
    assert seconds <= 3 * NOISE
    assert (await tree.lease("shop")).epoch == lease.epoch

    async def stored() -> list[str] | None:
        found = [each["text"] for each in (await tree.documents.query(MESSAGES)).items]
        found = [text for text in found if text in said]
        return found if set(said) <= set(found) else None

    assert sorted(await eventually("all is stored", stored, 10)) == said


@pytest.mark.parametrize("first", ["owner", "root"])
async def test_an_owner_that_lost_its_lease_is_ended(tree: Tree, first: str) -> None:
    """G6: the lease has another owner; the process of the former one ends, and a new epoch begins.

    The owner finds the newer epoch by itself, or the root does `first` and kills it: each counts once.
    """
    before, counted = await tree.complete("shop"), tree.counted("teimoso_epochs_lost")
    lease = await tree.leases.take("shop", Owner("somebody", 1, "elsewhere"))
    if first == "root":
        await poke(tree.redis)

    async def ended() -> bool:
        return start_of(before["connection:shop"]) is None

    await eventually("the old owner is dead", ended, 10 * NOISE)
    await tree.newer("shop", lease, 10 * NOISE)
    await tree.state("shop", "open")
    await tree.until_counted("teimoso_epochs_lost", (counted or 0) + 1)


async def test_stop_start_and_restart(tree: Tree) -> None:
    await tree.connections.set_desired("kiosk", "stopped")
    await poke(tree.redis)
    stopped = await tree.state("kiosk", "stopped", 5)
    assert stopped.owner is None
    await tree.connections.set_desired("kiosk", "running")
    await poke(tree.redis)
    started = await tree.state("kiosk", "open")
    await tree.connections.raise_generation("kiosk")
    await poke(tree.redis)
    again, _ = await tree.newer("kiosk", started, 10 * NOISE)
    assert again.restarts == started.restarts, "what was asked for is no crash"
    opened = await tree.state("kiosk", "open")
    await asyncio.sleep(2.5)
    assert (await tree.lease("kiosk")).epoch == opened.epoch, "asked once, done once"


async def test_a_deleted_connection_leaves_nothing(tree: Tree, head: Head) -> None:
    gone = await tree.create_new("gone")
    await tree.pair(gone, "15550100021")
    await tree.until_counted("teimoso_messages_received", 0, connection="gone")
    assert (head.settings.sessions / gone).exists()
    assert f"connection:{gone}" in tree.pids()
    await tree.connections.delete(gone)
    await poke(tree.redis)
    await tree.removed(gone)
    assert await tree.leases.read(gone) is None
    assert not (head.settings.sessions / gone).exists()

    async def ended() -> bool:
        return f"connection:{gone}" not in tree.pids()

    await eventually("its process ended", ended, 10)
    await tree.until_counted("teimoso_messages_received", None, connection="gone")


async def test_a_disk_that_is_full_for_a_while_is_no_reason_to_give_up(
    tree: Tree, head: Head
) -> None:
    """G8: it is tried again, under a new epoch each time, until there is room."""
    other = await tree.lease("shop")
    with unwritable(head.settings.sessions / "full") as mend:
        await tree.create("full")
        refused = await tree.state("full", "reconnecting")
        assert refused.cause in {"session_unavailable", "FileExistsError"}
        again, _ = await tree.newer("full", refused, 20)
        await tree.newer("full", again, 20)
        same = await tree.lease("shop")
        assert (same.epoch, same.owner, same.since) == (other.epoch, other.owner, other.since)
        mend()
        await tree.state("full", "pairing", 30)
        await tree.connections.delete("full")
        await poke(tree.redis)
        await tree.removed("full")


async def test_what_waits_ends_visibly_with_its_connection(
    tree: Tree, lanes: OutboundQueue, head: Head, figure: Figure
) -> None:
    """G2: also when the root dies in the middle; what was in flight says that it may have arrived."""
    number = "15550100023"
    brief = await tree.create_new("brief")
    # Messages that wait when it opens are claimed at once: one in flight in each chat, one to follow it.
    records = []
    for place in range(200):
        sends = (Send(brief, f"1555012{chat:04}@s.whatsapp.net", f"{place}") for chat in range(10))
        records += await asyncio.gather(*map(lanes.accept, sends))
    fault = {"account": number, "kind": "swallow"}
    head.simulator.post("/faults", json=fault).raise_for_status()
    await tree.pair(brief, number)

    async def flying() -> bool:
        counts = (await lanes.reader.counts_many([brief]))[brief]
        print(counts)  # shown where they never come to this
        return counts.active == 20

    await eventually("ten are in flight, and ten follow", flying, 60)
    await tree.connections.delete(brief)
    await poke(tree.redis)

    async def begun() -> int:
        ended = await tree.documents.query(
            JOBS, where=[Where("connection", "==", brief), Where("status", "==", "cancelled")]
        )
        return len(ended.items)

    in_the_middle = await eventually("its messages begin to end", begun, 30)
    kill(tree.pids()["root"])
    await tree.removed(brief, 30)
    figure(f"root killed with {in_the_middle} of {len(records)} messages ended")
    assert in_the_middle < len(records)
    for collection in (JOBS, MESSAGES):
        found = await tree.documents.query(collection, where=[Where("connection", "==", brief)])
        assert len(found.items) == len(records)
        ends = {(each["status"], each["error"]) for each in found.items}
        assert ends == {("cancelled", "connection_deleted")}
        # Messages that were only to follow did not leave, and their owner gave them back.
        assert sum(each["uncertain"] for each in found.items) == 10
    left = [key async for key in tree.redis.scan_iter(f"{keys.of(brief).base}*")]
    assert left == [keys.of(brief).deleted]
    await tree.complete("shop", "kiosk")


async def test_a_session_of_a_newer_release_fails_alone(tree: Tree, head: Head) -> None:
    """G9: its cause is said, and nobody else notices."""
    other = await tree.lease("shop")
    directory = head.settings.sessions / "newer"
    directory.mkdir(parents=True)
    with sqlite3.connect(directory / "session.db") as file:
        file.execute("CREATE TABLE whatever (comes TEXT)")
        file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        file.execute(f"PRAGMA user_version = {VERSION + 1}")
    file.close()
    await tree.create("newer")
    failed = await tree.state("newer", "failed")
    assert (failed.cause, failed.owner) == ("session_too_new", None)
    await asyncio.sleep(2.5)
    assert (await tree.lease("newer")).epoch == failed.epoch, "it is not tried in a circle"
    now = await tree.lease("shop")
    assert (now.epoch, now.owner, now.state) == (other.epoch, other.owner, other.state)
    await tree.connections.delete("newer")
    await poke(tree.redis)


@pytest.mark.parametrize("how", ["lives", "stopped"])
async def test_a_root_that_hangs_where_the_keeper_ends_no_process_is_replaced(
    tree: Tree, head: Head, how: str
) -> None:
    """G8: Ray calls no actor dead that only hangs, and finds it by its name for ever."""
    before = tree.pids()["root"]
    if how == "stopped":
        os.kill(before, signal.SIGSTOP)
    await asyncio.to_thread(head.begin)
    if how == "lives":
        assert (await tree.complete("shop", "kiosk"))["root"] == before
        return

    async def another() -> bool:
        return tree.pids().get("root") not in {None, before}

    await eventually("another root is there", another, 30)


async def test_a_cold_start_serves_before_it_counts_and_watches(tree: Tree, head: Head) -> None:
    """G8: the cores are for the connections; the queue's view and the monitor come behind them.

    Ray keeps an actor that stopped under its name: the next start may not find that one.
    """
    before = tree.pids()
    await asyncio.to_thread(head.stop)
    await eventually("the tree is gone", lambda: not tree.pids(), 10)
    beginning = asyncio.create_task(asyncio.to_thread(head.begin))
    begun = ["shop", "kiosk", "state", "queue", "health"]
    seen: list[str] = []

    async def look() -> bool:
        there = {name.removeprefix("connection:") for name in tree.pids()}
        seen.extend(name for name in begun if name in there and name not in seen)
        return len(seen) == len(begun)

    await eventually("all are back", look, 60)
    await beginning
    assert set(seen[-2:]) == {"queue", "health"}, seen
    after = await tree.complete("shop", "kiosk")
    assert set(before.values()).isdisjoint(after.values())


async def test_down_gives_every_lease_back(tree: Tree, head: Head, figure: Figure) -> None:
    """The last test of the module: nothing runs afterwards."""
    began = time.monotonic()
    head.stop()
    figure(f"stopped after {time.monotonic() - began:.1f} s, loading Ray included")
    for connection in ("shop", "kiosk"):
        lease = await tree.lease(connection)
        assert (lease.state, lease.owner) == ("stopped", None)

    async def nobody() -> bool:
        return not tree.pids()

    await eventually("nobody is left", nobody, 10)
