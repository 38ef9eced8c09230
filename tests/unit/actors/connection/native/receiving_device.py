"""A device that takes stanzas, and a contact that makes them; both are sessions of the same code."""

from __future__ import annotations

from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from actors.connection.native.identities.group_queries import OverSocket
from actors.connection.native.receive.stanza_handler import StanzaHandler
from actors.connection.native.signal.device_sessions import Signal, new_credentials
from actors.connection.native.signal.key_agreement import Bundle
from actors.connection.protocol.decryption_errors import Unprepared
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import MemberLists
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from actors.messages.content import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.engine import InboxMessage
    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.receive.messages.stanza_result import StanzaResult

ACCOUNT = "15550100001@s.whatsapp.net"
DEVICE = "15550100001:4@s.whatsapp.net"
CONTACT = "15550100002@s.whatsapp.net"
CONTACT_LID = "90000000000002@lid"
GROUP = "120363000000000001@g.us"


class Forgotten:
    """Stands for the device lists: it only counts who is forgotten."""

    def __init__(self) -> None:
        self.people: list[str] = []

    def forget(self, person: Address) -> None:
        self.people.append(str(person))


def unasked(session: Session, people: LidMapping) -> MemberLists:
    """Members without a socket: nobody asks WhatsApp in here."""

    async def ignore() -> None:
        return None

    nowhere = cast("Socket", None)
    return MemberLists(
        session, people, nowhere, OverSocket(nowhere), on_inbox=ignore, clock=lambda: 1000.0
    )


class World:
    def __init__(self, session: Session, other: Session, *, hold: bool = False) -> None:
        self.session, self.other = session, other
        self.signal, self.other_signal = Signal(session), Signal(other)
        self.lists = Forgotten()
        people = LidMapping(session, Address.parse(DEVICE), Address.parse("90000000000001:4@lid"))
        devices = cast("Devices", self.lists)
        rosters = unasked(session, people)
        self.incoming = StanzaHandler(
            session, self.signal, people, devices, rosters, clock=lambda: 1000.0, hold=hold
        )
        self.number = 0

    async def meet(self) -> None:
        """Both have credentials, and the other one has a session with the device."""
        own = replace(new_credentials(), account=ACCOUNT, device=DEVICE, device_identity=b"adv")
        async with self.other.transaction():
            self.other.credentials.save(new_credentials())
        async with self.session.transaction():
            self.session.credentials.save(own)
        await self.afresh()

    async def afresh(self) -> None:
        own = self.session.credentials.read()
        assert own is not None
        async with self.session.transaction():
            ((number, public),) = self.signal.make_prekeys(1)
        key = own.signed_prekey
        bundle = Bundle(
            own.registration_id,
            own.identity_public,
            key.id,
            key.public,
            key.signature,
            number,
            public,
        )
        async with self.other.transaction():
            await self.other_signal.establish(DEVICE, bundle)

    async def message(self, plaintext: bytes, **attrs: str) -> Node:
        self.number += 1
        async with self.other.transaction():
            kind, data = await self.other_signal.encrypt(DEVICE, wrappers.pad(plaintext))
        named = {"id": f"3EB0{self.number:018X}", "from": CONTACT, "t": "900", "notify": "Name"}
        routing = {key.replace("from_", "from"): value for key, value in attrs.items()}
        return Node("message", {**named, **routing}, (Node("enc", {"v": "2", "type": kind}, data),))

    async def take(self, stanza: Node) -> StanzaResult:
        """As the pipeline does it: a message that is not ordinary is prepared first."""
        with suppress(Unprepared):
            async with self.session.transaction():
                return await self.incoming.take(stanza)
        async with self.session.transaction():
            learned = self.incoming.postpone(stanza).news
        await self.incoming.prepare(stanza)
        async with self.session.transaction():
            outcome = await self.incoming.take(stanza)
        return replace(outcome, news=outcome.news or learned)

    def messages(self) -> list[InboxMessage]:
        return self.session.inbox.pending("message", 100)


@asynccontextmanager
async def met(directory: Path, *, hold: bool = False) -> AsyncIterator[World]:
    with (
        closing(Session.open(directory / "own.db", 1)) as session,
        closing(Session.open(directory / "other.db", 1)) as other,
    ):
        made = World(session, other, hold=hold)
        await made.meet()
        yield made


def text(words: str) -> bytes:
    return write(Text(words), Place(CONTACT, CONTACT, 0.0))


def garbled(stanza: Node) -> Node:
    (enc,) = stanza.children("enc")
    data = enc.data[:-4] + bytes(4)
    return Node(stanza.tag, stanza.attrs, (Node("enc", enc.attrs, data),))


def answers_of(outcome: StanzaResult) -> list[tuple[str, str | None]]:
    answers = (*outcome.at_once, *outcome.answers)
    return [(answer.tag, answer.attrs.get("type")) for answer in answers]
