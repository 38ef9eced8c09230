"""What a send does when a contact sets up the phone anew while keys are asked for."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import EngineEvents, Outgoing, SendError
from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.devices import Devices
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.send.pipeline import Sender
from actors.connection.native.transport.nodes import Node, proto
from actors.messages.content import Reaction, Target, Text
from tests.unit.actors.connection.native.resending import (
    ACCOUNT,
    CAROL,
    DEVICE,
    LAPTOP,
    TABLET,
    Wire,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.transport.socket import Socket


class Acknowledging(Wire):
    """Acknowledges at once, and lets something happen while it is asked for keys."""

    def __init__(self, world: World) -> None:
        super().__init__(world.other)
        self.world = world
        self.meanwhile = False
        self.without: set[str] = set()
        self.forged: set[str] = set()
        self.unlinked: set[str] = set()

    @contextmanager
    def acknowledgement(self, message_id: str) -> Iterator[asyncio.Future[Node]]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(Node("ack", {"id": message_id, "t": "900"}))
        yield future

    async def request(self, node: Node) -> Node:
        reply = await super().request(node)
        (listing,) = reply.children("list")
        users = [one for one in listing.children() if one.attrs["jid"] not in self.without]
        users = [_forge(one) if one.attrs["jid"] in self.forged else one for one in users]
        users = [_bare(one) if one.attrs["jid"] in self.unlinked else one for one in users]
        if self.meanwhile:
            self.meanwhile = False
            async with self.world.session.transaction():
                self.world.signal.distrust(CAROL)
        return Node("iq", {"type": "result"}, (Node("list", {}, users),))


def _bare(node: Node) -> Node:
    """Without the phone's word for it."""
    parts = [one for one in node.children() if one.tag != "device-identity"]
    return replace(node, content=parts)


def _forge(node: Node) -> Node:
    """With a signature that is nobody's."""
    if node.tag == "signature":
        return replace(node, content=bytes(64))
    if isinstance(node.content, bytes) or node.content is None:
        return node
    return replace(node, content=[_forge(child) for child in node.content])


async def sender(world: World, wire: Acknowledging, *more: str) -> Sender:
    people = People(world.session, Address.parse(DEVICE), None)
    async with world.session.transaction():
        world.session.save_devices(
            CAROL, [Address.parse(one).device for one in (CAROL, *more)], time.time()
        )
        world.session.save_devices(ACCOUNT, [5, 4], time.time())
    socket = cast("Socket", wire)
    devices = Devices(world.session, people, socket, time.time, on_inbox=EngineEvents().on_inbox)
    return Sender(world.session, world.signal, people, devices, socket, ack_timeout=1)


async def test_a_copy_for_the_own_phone_alone_is_no_send(world: World) -> None:
    wire = Acknowledging(world)
    wire.without = {CAROL}
    with pytest.raises(SendError) as failed:
        await (await sender(world, wire)).send(Outgoing("3EB1", CAROL, Text("hi")))
    assert (failed.value.code, failed.value.permanent) == ("no_devices", False)
    assert wire.sent == []


@pytest.mark.parametrize("at", [5.25, None])
async def test_a_reaction_bears_the_time_that_it_is_given(world: World, at: float | None) -> None:
    """At each attempt the same; else that at which it leaves."""
    sending, now = await sender(world, Acknowledging(world)), time.time() - 5
    sending._clock = lambda: now
    await sending.send(Outgoing("3EB1", CAROL, Reaction(Target("A", CAROL), "+"), at))
    plaintext = world.session.sent_plaintext(CAROL, "3EB1")
    assert plaintext is not None
    sent: Any = proto.Message.FromString(plaintext)
    assert sent.reactionMessage.senderTimestampMs == int((at or now) * 1000)


async def test_a_session_that_goes_meanwhile_is_set_up_anew(world: World) -> None:
    """Or the message would go to the own phone alone, and be acknowledged (G2)."""
    await world.resent(await world.receipt(CAROL))
    wire = Acknowledging(world)
    wire.meanwhile = True
    sending = await sender(world, wire)
    await sending.send(Outgoing("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [CAROL, TABLET]
    assert wire.asked == [TABLET, CAROL, TABLET]


@pytest.mark.parametrize("fault", ["without", "forged"])
async def test_a_device_whose_keys_are_missing_or_forged_holds_up_no_other(
    world: World, fault: str
) -> None:
    """And the one that is forged learns nothing of the message (G10)."""
    wire = Acknowledging(world)
    setattr(wire, fault, {CAROL})
    sending = await sender(world, wire, LAPTOP)
    await sending.send(Outgoing("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [LAPTOP, TABLET]


async def test_a_companion_that_its_phone_did_not_link_gets_nothing(world: World) -> None:
    """WhatsApp's server may not read along with a device of its own making (G10)."""
    wire = Acknowledging(world)
    wire.unlinked = {LAPTOP}
    sending = await sender(world, wire, LAPTOP)
    await sending.send(Outgoing("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [CAROL, TABLET]


async def test_a_strangers_phone_is_known_by_its_bundle(world: World) -> None:
    """WhatsApp leaves the phone's key out of a companion's proof: it comes with the phone's own."""
    async with world.other.transaction():
        own = world.credentials
        signed: Any = proto.ADVSignedDeviceIdentity.FromString(own.device_identity)
        signed.ClearField("accountSignatureKey")
        world.other.save_credentials(replace(own, device_identity=signed.SerializeToString()))
    wire = Acknowledging(world)
    sending = await sender(world, wire)
    async with world.session.transaction():
        world.session.save_identity(ACCOUNT, own.identity_public)
        world.session.save_devices(CAROL, [7, 0], time.time())
    await sending.send(Outgoing("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [LAPTOP, CAROL, TABLET]


async def test_one_chat_keeps_its_order_while_others_share_its_commits(world: World) -> None:
    """G4: many at once, some to a stranger whose keys have to be asked for first."""
    wire = Acknowledging(world)
    sending = await sender(world, wire)
    texts = [f"3EB{number:03}" for number in range(50)]
    await asyncio.gather(*(sending.send(Outgoing(number, CAROL, Text(number))) for number in texts))
    assert [message.attrs["id"] for message in wire.sent] == texts
    assert wire.asked == [CAROL, TABLET]
