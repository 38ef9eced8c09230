"""A limit that WhatsApp tells while a message is on its way through the engine holds it back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.engine import EngineEvents, SendError, SendRequest
from actors.connection.limits.ack_errors import SendDeferred
from actors.connection.native.identities.devices import Devices
from actors.connection.native.send.direct_sender import DirectSender
from actors.connection.native.send.pipeline import SendPipeline
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.limits.limit_enforcement import LimitEnforcement
from actors.connection.protocol.wire_format.nodes import Node
from actors.messages.content import Text
from tests.unit.actors.connection.native.resending_devices import ACCOUNT, CAROL, DEVICE, World
from tests.unit.actors.connection.native.send.test_direct_sender import AcknowledgingWire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.transport.socket import Socket


class LimitingWire(AcknowledgingWire):
    """WhatsApp limits the account during the request for keys: that is committed, and not reported yet."""

    async def request(self, node: Node) -> Node:
        if not self.asked:
            async with self.world.session.transaction():
                self.world.session.outreach.note_lock(time.time() + 3600)
        return await super().request(node)


async def sender(world: World, wire: LimitingWire) -> DirectSender:
    people = LidMapping(world.session, Address.parse(DEVICE), None)
    async with world.session.transaction():
        world.session.identities.save_devices(CAROL, [0], time.time())
        world.session.identities.save_devices(ACCOUNT, [5, 4], time.time())
    socket = cast("Socket", wire)
    devices = Devices(world.session, people, socket, time.time, on_inbox=EngineEvents().on_inbox)
    limits = LimitEnforcement(
        world.session, socket, people, EngineEvents(), Counter(), start=lambda *_: None
    )
    pipeline = SendPipeline(world.session, world.signal, people, socket, ack_timeout=1)
    return DirectSender(
        world.session, people, devices, socket, pipeline=pipeline, permit=limits.check
    )


class ErrorWire(LimitingWire):
    """Acknowledges with an error while there is one; no limit was announced."""

    error: int | None = None

    @contextmanager
    def acknowledgement(self, message_id: str) -> Iterator[asyncio.Future[Node]]:
        future = asyncio.get_running_loop().create_future()
        error = {} if self.error is None else {"error": f"{self.error}"}
        future.set_result(Node("ack", {"id": message_id, "t": "900", **error}))
        yield future

    async def request(self, node: Node) -> Node:
        return await super(LimitingWire, self).request(node)


async def test_a_chat_that_the_account_began_goes_on_under_a_cap(world: World) -> None:
    """It takes no answer of the person's, and a refusal of a later message changes nothing."""
    wire = ErrorWire(world)
    sending = await sender(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    wire.error = 500
    with pytest.raises(SendError):
        await sending.send(SendRequest("3EB2", CAROL, Text("hm")))
    wire.error = None
    async with world.session.transaction():
        world.session.outreach.note_cap(time.time() + 3600)
    await sending.send(SendRequest("3EB3", CAROL, Text("ho")))
    assert [message.attrs["id"] for message in wire.sent] == ["3EB1", "3EB2", "3EB3"]
    async with world.session.transaction():
        world.session.outreach.note_lock(time.time() + 3600)
    with pytest.raises(SendDeferred):
        await sending.send(SendRequest("3EB4", CAROL, Text("ha")))


@pytest.mark.parametrize("error", [475, 463, 403])
async def test_a_first_message_that_is_refused_begins_no_chat(world: World, error: int) -> None:
    wire = ErrorWire(world)
    sending = await sender(world, wire)
    wire.error = error
    with pytest.raises(SendError):
        await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    wire.error = None
    async with world.session.transaction():
        world.session.outreach.note_cap(time.time() + 3600)
    with pytest.raises(SendDeferred):
        await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    assert len(wire.sent) == 1


async def test_whatsapp_knows_better_which_chats_are_new(world: World) -> None:
    """One that is taken for begun, as an older release's file says, meets the cap once."""
    wire = ErrorWire(world)
    sending = await sender(world, wire)
    async with world.session.transaction():
        world.session.outreach.note_begun(CAROL, "3EB0")
        world.session.outreach.note_cap(time.time() + 3600)
    wire.error = 475
    for _ in range(2):
        with pytest.raises(SendDeferred):
            await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    assert len(wire.sent) == 1


async def test_a_message_whose_keys_were_asked_for_meanwhile_waits(world: World) -> None:
    """Nothing of it is encrypted, so that it leaves as new once the limit is over."""
    wire = LimitingWire(world)
    sending = await sender(world, wire)
    with pytest.raises(SendDeferred) as deferred:
        await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    assert deferred.value.until == world.session.outreach.limits().locked_until
    assert (wire.asked != [], wire.sent) == (True, [])
    assert world.session.sent.plaintext(CAROL, "3EB1") is None
    async with world.session.transaction():
        world.session.outreach.note_lock(None)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    assert [message.attrs["id"] for message in wire.sent] == ["3EB1"]
