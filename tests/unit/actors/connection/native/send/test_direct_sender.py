"""Sends while a contact sets up the phone anew during the request for keys."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import EngineEvents, NotConnected, SendError, SendRequest
from actors.connection.native.identities.devices import Devices
from actors.connection.native.send.direct_sender import DirectSender
from actors.connection.native.send.pipeline import SendPipeline
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.session_transactions import cause_of
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.connection.session.identities.stored_credentials import StoredCredentials
from actors.connection.session.session import SessionUnavailable
from actors.messages.content import Quote, Reaction, Target, Text
from tests.unit.actors.connection.native.resending_devices import (
    ACCOUNT,
    CAROL,
    CAROL_LID,
    DEVICE,
    LAPTOP,
    OWN_LID,
    TABLET,
    Wire,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.transport.socket import Socket


class AcknowledgingWire(Wire):
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


async def sender(world: World, wire: AcknowledgingWire, *more: str) -> DirectSender:
    people = LidMapping(world.session, Address.parse(DEVICE), None)
    async with world.session.transaction():
        world.session.identities.save_devices(
            CAROL, [Address.parse(one).device for one in (CAROL, *more)], time.time()
        )
        world.session.identities.save_devices(ACCOUNT, [5, 4], time.time())
    socket = cast("Socket", wire)
    devices = Devices(world.session, people, socket, time.time, on_inbox=EngineEvents().on_inbox)
    pipeline = SendPipeline(world.session, world.signal, people, socket, ack_timeout=1)
    return DirectSender(world.session, people, devices, socket, pipeline=pipeline)


async def test_a_copy_for_the_own_phone_alone_is_no_send(world: World) -> None:
    wire = AcknowledgingWire(world)
    wire.without = {CAROL}
    with pytest.raises(SendError) as failed:
        await (await sender(world, wire)).send(SendRequest("3EB1", CAROL, Text("hi")))
    assert (failed.value.code, failed.value.permanent) == ("no_devices", False)
    assert wire.sent == []


@pytest.mark.parametrize("at", [5.25, None])
async def test_a_reaction_bears_the_time_that_it_is_given(world: World, at: float | None) -> None:
    """At each attempt the same; else that at which it leaves."""
    sending, now = await sender(world, AcknowledgingWire(world)), time.time() - 5
    sending._pipeline.clock = lambda: now
    await sending.send(SendRequest("3EB1", CAROL, Reaction(Target("A", CAROL), "+"), at))
    plaintext = world.session.sent.plaintext(CAROL, "3EB1")
    assert plaintext is not None
    sent: Any = proto.Message.FromString(plaintext)
    assert sent.reactionMessage.senderTimestampMs == int((at or now) * 1000)


async def test_a_session_that_goes_meanwhile_is_set_up_anew(world: World) -> None:
    """Or the message would go to the own phone alone, and be acknowledged (G2)."""
    await world.resent(await world.receipt(CAROL))
    wire = AcknowledgingWire(world)
    wire.meanwhile = True
    sending = await sender(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [CAROL, TABLET]
    assert wire.asked == [TABLET, CAROL, TABLET]


@pytest.mark.parametrize("fault", ["without", "forged"])
async def test_a_device_whose_keys_are_missing_or_forged_holds_up_no_other(
    world: World, fault: str
) -> None:
    """And the one that is forged learns nothing of the message (G10)."""
    wire = AcknowledgingWire(world)
    setattr(wire, fault, {CAROL})
    sending = await sender(world, wire, LAPTOP)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [LAPTOP, TABLET]


async def test_a_companion_that_its_phone_did_not_link_gets_nothing(world: World) -> None:
    """WhatsApp's server may not read along with a device of its own making (G10)."""
    wire = AcknowledgingWire(world)
    wire.unlinked = {LAPTOP}
    sending = await sender(world, wire, LAPTOP)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [CAROL, TABLET]


async def test_a_strangers_phone_is_known_by_its_bundle(world: World) -> None:
    """WhatsApp leaves the phone's key out of a companion's proof: it comes with the phone's own."""
    async with world.other.transaction():
        own = world.credentials
        signed: Any = proto.ADVSignedDeviceIdentity.FromString(own.device_identity)
        signed.ClearField("accountSignatureKey")
        world.other.credentials.save(replace(own, device_identity=signed.SerializeToString()))
    wire = AcknowledgingWire(world)
    sending = await sender(world, wire)
    async with world.session.transaction():
        world.session.keys.save_identity(ACCOUNT, own.identity_public)
        world.session.identities.save_devices(CAROL, [7, 0], time.time())
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    (message,) = wire.sent
    (targets,) = message.children("participants")
    assert [one.attrs["jid"] for one in targets.children()] == [LAPTOP, CAROL, TABLET]


async def test_one_chat_keeps_its_order_while_others_share_its_commits(world: World) -> None:
    """G4: many at once, some to a stranger whose keys have to be asked for first."""
    wire = AcknowledgingWire(world)
    sending = await sender(world, wire)
    texts = [f"3EB{number:03}" for number in range(50)]
    await asyncio.gather(
        *(sending.send(SendRequest(number, CAROL, Text(number))) for number in texts)
    )
    assert [message.attrs["id"] for message in wire.sent] == texts
    assert wire.asked == [CAROL, TABLET]


LIDS = {CAROL: CAROL_LID, ACCOUNT: OWN_LID}


class ListingWire(AcknowledgingWire):
    """Lists devices as well, with their owners' LIDs."""

    async def request(self, node: Node) -> Node:
        if node.attrs["xmlns"] != "usync":
            return await super().request(node)
        (usync,) = node.children()
        listing = usync.child("list")
        assert listing is not None
        users = []
        for user in listing.children():
            jid = user.attrs["jid"]
            self.asked.append(f"devices of {jid}")
            numbers = (0, 7) if jid in (CAROL, CAROL_LID) else (0, 4, 5)
            devices = Node("device-list", {}, [Node("device", {"id": f"{one}"}) for one in numbers])
            lid = [Node("lid", {"val": LIDS[jid]})] if jid in LIDS else []
            users.append(Node("user", {"jid": jid}, (Node("devices", {}, (devices,)), *lid)))
        return Node("iq", {}, (Node("usync", {}, (Node("list", {}, users),)),))


def by_lid(world: World, wire: AcknowledgingWire) -> DirectSender:
    people = LidMapping(world.session, Address.parse(DEVICE), Address.parse(OWN_LID).with_device(4))
    socket = cast("Socket", wire)
    devices = Devices(world.session, people, socket, time.time, on_inbox=EngineEvents().on_inbox)
    pipeline = SendPipeline(world.session, world.signal, people, socket, ack_timeout=1)
    return DirectSender(world.session, people, devices, socket, pipeline=pipeline)


def names(message: Node) -> list[str]:
    (targets,) = message.children("participants")
    return [one.attrs["jid"] for one in targets.children()]


async def test_every_address_of_a_direct_message_is_a_lid(world: World) -> None:
    """The person's LID is asked for; keys, copies and the stanza name nobody by number (row 9)."""
    wire = ListingWire(world)
    sending = by_lid(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Reaction(Target("A", CAROL), "+")))
    (message,) = wire.sent
    assert message.attrs["to"] == CAROL_LID
    assert message.attrs["peer_recipient_pn"] == CAROL
    assert names(message) == [
        *(CAROL_LID, "90000000000002:7@lid", OWN_LID, "90000000000001:5@lid"),
    ]
    assert wire.asked[:2] == [f"devices of {CAROL}", f"devices of {OWN_LID}"]
    assert [one for one in wire.asked[2:] if "@lid" not in one] == []
    plaintext = world.session.sent.plaintext(CAROL, "3EB1")
    assert plaintext is not None
    sent: Any = proto.Message.FromString(plaintext)
    assert sent.reactionMessage.key.remoteJid == CAROL_LID
    assert world.session.sent.wire(CAROL, "3EB1") == "lid"
    for name in (CAROL, LAPTOP, TABLET):
        assert world.signal.has_session(name), "sessions are named by number as ever"


async def test_what_a_direct_message_says_of_people_is_by_lid_too(world: World) -> None:
    """In the copy for the own devices the chat, in a reply whom it answers."""
    wire = ListingWire(world)
    await by_lid(world, wire).send(
        SendRequest("3EB1", CAROL, Text("yes", Quote(Target("A", CAROL))))
    )
    plaintext = world.session.sent.plaintext(CAROL, "3EB1")
    assert plaintext is not None
    sent: Any = proto.Message.FromString(plaintext)
    assert sent.extendedTextMessage.contextInfo.participant == CAROL_LID
    (targets,) = wire.sent[0].children("participants")
    copies = [await world.read(one) for one in targets.children()]
    assert [one and one.destination for one in copies] == [None, None, CAROL_LID, CAROL_LID]


async def test_a_session_by_number_serves_a_stanza_by_lid(world: World) -> None:
    wire = ListingWire(world)
    await (await sender(world, wire, LAPTOP)).send(SendRequest("3EB1", CAROL, Text("hi")))
    asked = len(wire.asked)
    async with world.session.transaction():
        world.session.learn_lid(CAROL_LID, CAROL)
    await by_lid(world, wire).send(SendRequest("3EB2", CAROL, Text("hi again")))
    assert wire.asked[asked:] == []
    assert names(wire.sent[0]) == [CAROL, LAPTOP, TABLET]
    assert names(wire.sent[1]) == [CAROL_LID, "90000000000002:7@lid", "90000000000001:5@lid"]


async def test_an_attempt_after_a_lost_ack_keeps_its_addresses(world: World) -> None:
    """Its recipient sees it once, whatever was learned between (G3)."""
    wire = ListingWire(world)
    await (await sender(world, wire, LAPTOP)).send(SendRequest("3EB1", CAROL, Text("hi")))
    async with world.session.transaction():
        world.session.learn_lid(CAROL_LID, CAROL)
    sending = by_lid(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    await sending.send(SendRequest("3EB2", CAROL, Text("next")))
    assert [one.attrs["to"] for one in wire.sent] == [CAROL, CAROL, CAROL_LID]


async def test_a_hash_that_no_list_explains_is_asked_about_once(world: World) -> None:
    class DifferingWire(ListingWire):
        @contextmanager
        def acknowledgement(self, message_id: str) -> Iterator[asyncio.Future[Node]]:
            future = asyncio.get_running_loop().create_future()
            future.set_result(Node("ack", {"id": message_id, "t": "900", "phash": "2:strange"}))
            yield future

    wire = DifferingWire(world)
    sending = by_lid(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    asked = len(wire.asked)
    for number in range(3):
        await sending.send(SendRequest(f"3EB2{number}", CAROL, Text("hi")))
    assert wire.asked[asked:] == []
    assert len(wire.sent) == 4, "nobody was missed"


class RefusingWire(ListingWire):
    """Refuses, with 400, the stanzas to these addresses."""

    refused: tuple[str, ...] = (CAROL_LID,)

    @contextmanager
    def acknowledgement(self, _: str) -> Iterator[asyncio.Future[Node]]:
        self.ack = asyncio.get_running_loop().create_future()
        yield self.ack

    async def send(self, *nodes: Node) -> None:
        await super().send(*nodes)
        for node in nodes:
            error = {"error": "400"} if node.attrs["to"] in self.refused else {}
            self.ack.set_result(Node("ack", {"id": node.attrs["id"], "t": "900", **error}))


async def test_what_is_refused_by_lid_goes_once_more_by_number(world: World) -> None:
    """And so do the next ones: the account seems not to be migrated (whatsapp-rust #941)."""
    wire = RefusingWire(world)
    sending = by_lid(world, wire)
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    await sending.send(SendRequest("3EB2", CAROL, Text("next")))
    assert [(one.attrs["id"], one.attrs["to"]) for one in wire.sent] == [
        *(("3EB1", CAROL_LID), ("3EB1", CAROL), ("3EB2", CAROL)),
    ]
    assert names(wire.sent[1]) == [CAROL, LAPTOP, ACCOUNT, TABLET]
    assert "peer_recipient_pn" not in wire.sent[1].attrs
    assert world.session.sent.wire(CAROL, "3EB1") == "number"


async def test_what_is_refused_by_number_as_well_is_refused_for_good(world: World) -> None:
    wire = RefusingWire(world)
    wire.refused = (CAROL_LID, CAROL)
    with pytest.raises(SendError) as failed:
        await by_lid(world, wire).send(SendRequest("3EB1", CAROL, Text("hi")))
    assert (failed.value.code, failed.value.permanent) == ("refused_400", True)
    assert [one.attrs["to"] for one in wire.sent] == [CAROL_LID, CAROL]
    own = world.session.credentials.read()
    assert own is not None
    assert own.by_number_until is None


async def test_an_account_that_is_migrated_tries_no_number(world: World) -> None:
    own = world.session.credentials.read()
    assert own is not None
    async with world.session.transaction():
        world.session.credentials.save(replace(own, lid_migrated=True))
    wire = RefusingWire(world)
    with pytest.raises(SendError) as failed:
        await by_lid(world, wire).send(SendRequest("3EB1", CAROL, Text("hi")))
    assert (failed.value.code, failed.value.permanent) == ("refused_400", True)
    assert [one.attrs["to"] for one in wire.sent] == [CAROL_LID]


async def test_what_is_acknowledged_is_sent_whatever_the_disk_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would leave once more: that numbers are wanted is noted after the ack."""

    def full(_: object, own: object) -> None:
        raise SessionUnavailable("SQLITE_FULL")

    wire, failed = RefusingWire(world), list[object]()
    monkeypatch.setattr(StoredCredentials, "save", full)
    monkeypatch.setattr(wire, "fail", failed.append)
    assert await by_lid(world, wire).send(SendRequest("3EB1", CAROL, Text("hi"))) == 900
    assert [str(one) for one in failed] == [str(cause_of(SessionUnavailable("SQLITE_FULL")))]


async def test_a_message_whose_chat_gets_another_name_meanwhile_has_not_left(world: World) -> None:
    """G4: earlier ones may wait in the chat of that name. Under it, the message leaves."""

    class LidWire(ListingWire):
        async def request(self, node: Node) -> Node:
            if node.attrs["xmlns"] != "usync":
                async with world.session.transaction():
                    world.session.learn_lid(CAROL_LID, CAROL)
            return await super().request(node)

    wire = LidWire(world)
    sending = by_lid(world, wire)
    with pytest.raises(NotConnected):
        await sending.send(SendRequest("3EB1", CAROL_LID, Text("hi")))
    assert world.session.names.chat_today(CAROL_LID) == CAROL
    assert wire.sent == []
    assert world.session.sent.plaintext(CAROL, "3EB1") is None
    await sending.send(SendRequest("3EB1", CAROL, Text("hi")))
    assert [one.attrs["to"] for one in wire.sent] == [CAROL_LID]
    assert world.session.sent.plaintext(CAROL, "3EB1") is not None
