"""G2: a read mark that was accepted reaches WhatsApp, at whatever step its owner dies.

The child that dies has the real queue and the real engine; the judge is the simulator, which says
whether the contact knows that its messages were read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.owner.sender import Sender, Ticket
from actors.messages.content import ReadMark
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.integration.engine.messages.test_read_receipts import said
from tests.integration.engine.recovery.owner.test_crash import died
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    ROOT,
    Simulator,
    chat,
    device,
    pair,
    until,
)
from tests.integration.queue.sending_child import Mute
from tests.processes import forked
from tests.processes.valkey import PASSWORD

if TYPE_CHECKING:
    from actors.connection.owner.reporter import Reporter
    from tests.processes.valkey import Valkey

CHILD = Path(__file__).with_name("marking_child.py")
TEXTS = [f"in {number}" for number in range(3)]


def start(simulator: Simulator, server: Valkey, directory: Path, point: str) -> forked.Popen:
    of_server = server.settings()
    asked = {
        "settings": {
            "data": str(directory),
            "whatsapp_url": simulator.ws_url,
            "whatsapp_root_key": simulator.root_key,
            "redis_host": of_server.redis_host,
            "redis_port": of_server.redis_port,
            "redis_password": PASSWORD,
        },
        "directory": str(directory),
        "point": point,
    }
    with (directory / "child.log").open("wb") as log:
        return forked.Popen(
            [sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


@pytest.mark.parametrize(
    ("point", "known"),
    [
        ("after_claim", False),
        ("before_mark_leaves", False),
        ("after_mark_left", True),
        ("before_mark_is_forgotten", True),
    ],
)
async def test_killed_while_marking(
    simulator: Simulator, own_server: Valkey, tmp_path: Path, point: str, known: bool
) -> None:
    """A receipt that left before the kill leaves once more, which harms nobody."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        for text in TEXTS:
            await simulator.say(CONTACT, ACCOUNT, text)

        async def arrived() -> bool:
            return len(await phone.messages()) == len(TEXTS)

        await until(arrived)
    redis = connect(own_server.settings())
    lanes, leases = OutboundQueue(redis, own_server.settings()), Leases(redis)
    try:
        send = Send.of("shop", chat(CONTACT), ReadMark(arrived=time.time()))
        record = (await lanes.accept(send)).record
        await died(start(simulator, own_server, tmp_path, point), tmp_path)
        if known:
            await until(lambda: all_read(simulator))
        else:
            assert not any((await said(simulator)).values())
        claimed = await lanes.get(record.id)
        assert claimed is not None
        assert claimed.status == "sending"

        lease = await leases.take("shop", Owner("second", os.getpid(), "here"))
        async with device(simulator, tmp_path, lease.epoch) as phone:
            sender = Sender(
                Ticket("shop", lease.epoch),
                phone.engine,
                lanes,
                MessageDeferral(lease, lanes, cast("Reporter", Mute()), on_lost=lambda _: None),
                concurrency=4,
                retry_at=lambda _attempts, _permanent, now: now + 1,
                on_lost=lambda _: None,
            )
            await asyncio.wait_for(phone.opened.wait(), 20)
            sender.opened()
            sending = asyncio.create_task(sender.run())

            async def sent() -> bool:
                found = await lanes.get(record.id)
                return found is not None and found.status == "sent"

            await until(sent)
            await until(lambda: all_read(simulator))
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await sender.stop(5)
            marked = phone.engine._session.unread.marked(
                chat(CONTACT), ReadMark(arrived=time.time())
            )
            assert marked == []
    finally:
        await lanes.close()
        await redis.aclose()


async def all_read(simulator: Simulator) -> bool:
    known = await said(simulator)
    return len(known) == len(TEXTS) and all(known.values())
