"""Messages to the account's phone: their stanza, and what keeps them from leaving."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import SendError
from actors.connection.native.send.fanout import MAX_OUTRUN, Outrun
from actors.connection.native.send.peer_messages import PeerMessages
from actors.connection.native.send.pipeline import SendPipeline
from actors.connection.native.signal.device_sessions import Signal, new_credentials
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.send.fanout import Fanout
    from actors.connection.native.send.outgoing_stanzas import OutgoingStanzas
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session

PHONE = "15550100001@s.whatsapp.net"


class Wire:
    """Stands for the fanout, the outbox and the socket; `ack` is WhatsApp's."""

    def __init__(self) -> None:
        self.kind: str | None = "msg"
        self.outruns = 0
        self.asked: list[str] = []
        self.sent: list[Node] = []
        self.ack: Node | None = Node("ack")

    async def missing_bundles(self, devices: list[Address], **_: object) -> dict[Address, None]:
        self.asked += map(str, devices)
        return {}

    async def encrypt_for(self, _: Address, plaintext: bytes, *__: object) -> Node | None:
        if self.outruns:
            self.outruns -= 1
            raise Outrun
        return None if self.kind is None else Node("enc", {"type": self.kind}, plaintext)

    def put(self, make: Any) -> asyncio.Future[None]:
        async def leave() -> None:
            self.sent.append(await make())

        return asyncio.ensure_future(leave())

    @contextmanager
    def acknowledgement(self, _: str) -> Iterator[asyncio.Future[Node]]:
        future = asyncio.get_running_loop().create_future()
        if self.ack is not None:
            future.set_result(self.ack)
        yield future


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def peers(session: Session, wire: Wire) -> PeerMessages:
    async with session.transaction():
        session.credentials.save(replace(new_credentials(), device_identity=b"adv"))
    people = LidMapping(session, Address.parse("15550100001:4@s.whatsapp.net"), None)
    socket = cast("Socket", wire)
    pipeline = SendPipeline(session, Signal(session), people, socket, ack_timeout=0.01)
    pipeline.fanout = cast("Fanout", wire)
    pipeline._outgoing = cast("OutgoingStanzas", wire)
    return PeerMessages(people, pipeline)


@pytest.mark.parametrize(("kind", "identity"), [("msg", []), ("pkmsg", ["device-identity"])])
async def test_it_is_for_the_phone_alone(
    peers: PeerMessages, wire: Wire, kind: str, identity: list[str]
) -> None:
    wire.kind = kind
    await peers.send("A", b"please")
    (stanza,) = wire.sent
    assert stanza.attrs == {"id": "A", "to": PHONE, "type": "text", "category": "peer"}
    assert [part.tag for part in stanza.children()] == ["meta", "enc", *identity]
    assert stanza.bytes_of("enc") == b"please"
    assert wire.asked == [PHONE]


async def test_a_session_that_goes_meanwhile_is_set_up_again(
    peers: PeerMessages, wire: Wire
) -> None:
    wire.outruns = MAX_OUTRUN - 1
    await peers.send("A", b"please")
    assert len(wire.sent) == 1
    wire.outruns = MAX_OUTRUN
    with pytest.raises(SendError, match="session_lost"):
        await peers.send("B", b"please")


async def test_a_message_that_does_not_leave_says_why(peers: PeerMessages, wire: Wire) -> None:
    wire.kind = None
    with pytest.raises(SendError, match="no_devices"):
        await peers.send("A", b"please")
    wire.kind, wire.ack = "msg", None
    with pytest.raises(SendError, match="ack_timeout"):
        await peers.send("A", b"please")
    wire.ack = Node("ack", {"error": "479"})
    with pytest.raises(SendError):
        await peers.send("A", b"please")
