"""A connection that says that it is open, and whose socket carries nothing any more (G2, G3, G8)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.connection import whatsmeow
from actors.connection.engine import Traffic
from actors.connection.owner.serving import Serving
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.state.documents import RECOVERY_ACTIONS
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, chat, settings
from tests.integration.tree.conftest import OWNER, PACE
from tests.integration.tree.head import Head, Tree
from tests.integration.tree.scripted import Shelf
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.tree.conftest import Served

WATCHFUL = replace(PACE, silence=0.5, probe=3.0)
"""A simulator that has to wait for the CPU answers in time all the same."""


@pytest_asyncio.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    started = Simulator.start(tmp_path / "simulator")
    yield started
    await started.stop()


def serve(served: Served, simulator: Simulator, directory: Path) -> Serving:
    """``shop`` under a fresh epoch, by the engine on the files in `directory`."""
    made = settings(simulator, directory, whatsapp_ack_timeout=60_000)
    # An account of the simulator is never paced as a new one.
    of_simulator = {"whatsapp_root_key": made.whatsapp_root_key}
    serving = Serving(
        served.lease,
        served.leases,
        OutboundQueue(served.redis, served.settings.model_copy(update=of_simulator)),
        Shelf(),
        concurrency=5,
        retry_at=lambda _, __, now: now + 0.5,
        pace=WATCHFUL,
    )
    serving.start(
        whatsmeow.open_engine(made, "shop", served.lease.epoch, serving.events, directory)
    )
    return serving


async def test_half_dead_it_is_found_and_the_next_owner_sends_what_it_swallowed(
    served: Served, simulator: Simulator, tmp_path: Path
) -> None:
    served.lease = await served.leases.take("shop", OWNER)
    serving = serve(served, simulator, tmp_path)
    qr = await eventually("a QR", lambda: served.leases.qr("shop"), 60)
    await simulator.scan(ACCOUNT, qr[0])
    await served.becomes(await served.accept("through", CONTACT), "sent", 60)
    # Quiet for several times as long as it is left alone: asked, and alive.
    await asyncio.sleep(4 * WATCHFUL.silence)
    assert serving.now.state == "open"

    fault = await simulator.fault("freeze")
    record = await served.becomes(await served.accept("swallowed", CONTACT), "sending")
    assert serving.now.state == "open"
    ending = await asyncio.wait_for(serving.ended(), 60)
    assert await simulator.struck(fault) >= 1
    assert ending.reason == "zombie"
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == ("reconnecting", "zombie", None)
    assert (await served.becomes(record, "queued")).uncertain

    await simulator.heal()
    served.lease = await served.leases.take("shop", OWNER)
    serving = serve(served, simulator, tmp_path)
    try:
        await served.becomes(record, "sent", 60)
        arrived = [item["text"] for item in await simulator.inbox(CONTACT)]
        assert arrived == ["through", "swallowed"]
    finally:
        await serving.stop()


async def test_an_engine_that_is_held_up_is_left_alone(served: Served) -> None:
    """Its disk is slow: what WhatsApp answered lies unread, for three times as long as it has."""
    began = time.monotonic()

    async def unread(within: float) -> bool:
        await asyncio.sleep(within)
        busy = time.monotonic() - began < 3
        served.engine.read = Traffic(0.0 if not busy else 60.0, listening=not busy)
        return not busy

    served.engine.read, served.engine.live = Traffic(60.0, listening=False), unread
    serving = await served.begin(pace=replace(WATCHFUL, probe=0.2))
    await eventually("it was asked", lambda: served.engine.probed >= 3, 10)
    await asyncio.sleep(3)
    assert serving.now.state == "open"
    assert len(served.engine.runs) == 1


async def test_a_process_that_was_blocked_blames_nobody(served: Served) -> None:
    async def blocked(within: float) -> bool:
        time.sleep(within + 1.2)  # noqa: ASYNC251 - the whole process
        return False

    served.engine.read, served.engine.live = Traffic(60.0, listening=True), blocked
    serving = await served.begin(pace=replace(WATCHFUL, probe=0.1))
    await eventually("it was asked", lambda: served.engine.probed >= 3, 15)
    assert serving.now.state == "open"
    served.engine.live = served.engine._lives


async def test_traffic_is_sign_enough(served: Served) -> None:
    served.engine.read = Traffic(0.1, listening=True)
    await served.begin(pace=WATCHFUL)
    await served.becomes(await served.accept(), "sent")
    await asyncio.sleep(3 * WATCHFUL.silence)
    assert served.engine.probed == 0


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_in_a_whole_tree_it_is_restarted_and_on_record() -> None:
    """G2, G8, by the settings' own times: the silence and two answers that do not come."""
    with Head(zombie_threshold=5000) as head:
        tree = Tree(head)
        lanes = OutboundQueue(tree.redis, head.settings)
        try:
            await tree.complete()
            await tree.create("shop")
            await tree.pair("shop", ACCOUNT)
            before, pids = await tree.lease("shop"), await tree.complete("shop")
            fault = {"account": ACCOUNT, "kind": "freeze"}
            number = head.simulator.post("/faults", json=fault).raise_for_status().json()["id"]
            accepted = await lanes.accept(Send("shop", chat(CONTACT), "swallowed"))
            after, _ = await tree.newer("shop", before, 60)
            struck = {each["id"]: each["struck"] for each in faults(head)}
            assert struck[number] >= 1
            head.simulator.delete("/faults").raise_for_status()
            await tree.state("shop", "open", 60)

            async def recorded() -> list[dict[str, Any]]:
                page = await tree.documents.query(RECOVERY_ACTIONS)
                return [each for each in page.items if each["cause"] == "zombie"]

            first = (await eventually("it is on record", recorded, 20))[-1]
            assert (first["before"], first["after"]) == ("open", "connecting")
            assert first["epoch_before"] == before.epoch
            assert after.owner is not None
            assert after.owner.pid != pids["connection:shop"]

            async def counted() -> bool:
                return (tree.counted("teimoso_zombies", connection="shop") or 0) >= 1

            await eventually("it is counted", counted, 20)

            async def arrived() -> bool:
                return [item["text"] for item in tree.inbox(CONTACT)] == ["swallowed"]

            await eventually(f"{accepted.record.id} arrived once", arrived, 60)
        finally:
            await lanes.close()
            await tree.close()


def faults(head: Head) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = head.simulator.get("/faults").raise_for_status().json()["items"]
    return items
