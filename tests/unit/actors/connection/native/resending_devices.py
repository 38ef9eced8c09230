"""A device that sent a message to a contact, and another device that asks for it; no network."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from actors.connection.native.send.resend import Resender
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import Signal, new_credentials
from actors.connection.native.signal.signatures import sign
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.messages.content import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session

ACCOUNT = "15550100001@s.whatsapp.net"
DEVICE = "15550100001:4@s.whatsapp.net"
TABLET = "15550100001:5@s.whatsapp.net"
CAROL = "15550100002@s.whatsapp.net"
CAROL_LID = "90000000000002@lid"
OWN_LID = "90000000000001@lid"
LAPTOP = "15550100002:7@s.whatsapp.net"
MALLORY = "15550100003:1@s.whatsapp.net"
NUMBER = "3EB0000000000000000001"
TEXT = write(Text("for Carol alone"), Place(CAROL, CAROL, 0.0))


class Wire:
    """Notes what is sent, and hands out a bundle of the other device when it is asked for one."""

    def __init__(self, other: Session) -> None:
        self._other = other
        self.sent: list[Node] = []
        self.asked: list[str] = []

    async def send(self, *nodes: Node) -> None:
        self.sent += nodes

    async def request(self, node: Node) -> Node:
        (key,) = node.children("key")
        users = [await self._bundle(user.attrs["jid"]) for user in key.children("user")]
        return Node("iq", {"type": "result"}, (Node("list", {}, users),))

    async def _bundle(self, jid: str) -> Node:
        self.asked.append(jid)
        own = self._other.credentials.read()
        assert own is not None
        async with self._other.transaction():
            (prekey,) = Signal(self._other).make_prekeys(1)
        uploaded = prekey_bundles.upload(own, [prekey])
        (listing,) = uploaded.children("list")
        parts = [one for one in uploaded.children() if one.tag != "list"]
        proof = Node("device-identity", {}, own.device_identity)
        return Node("user", {"jid": jid}, (*parts, *listing.children(), proof))

    def fail(self, cause: object) -> None:
        raise AssertionError(cause)


def linked_by(companion: Credentials, phone: Credentials) -> bytes:
    """The companion's device identity: its phone's signature, and its own."""
    details = proto.ADVDeviceIdentity(rawId=1, timestamp=2, keyIndex=3).SerializeToString()
    message = details + companion.identity_public
    made = proto.ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=phone.identity_public,
        accountSignature=sign(phone.identity_private, b"\x06\x00" + message),
        deviceSignature=sign(
            companion.identity_private, b"\x06\x01" + message + phone.identity_public
        ),
    )
    serialized: bytes = made.SerializeToString()
    return serialized


class World:
    """The account's device, which sent a message to Carol, and a device that could not read it."""

    def __init__(self, session: Session, other: Session) -> None:
        self.session, self.other = session, other
        self.signal = Signal(session)
        self.wire = Wire(other)
        self.resender = Resender(
            session,
            self.signal,
            LidMapping(session, Address.parse(DEVICE), None),
            cast("Socket", self.wire),
            turn,
        )

    async def begin(self) -> None:
        own = replace(new_credentials(), account=ACCOUNT, device=DEVICE, device_identity=b"adv")
        async with self.session.transaction():
            self.session.credentials.save(own)
            self.session.sent.remember(CAROL, NUMBER, TEXT, time.time())
        await self.install()

    async def install(self) -> None:
        """The other device is set up (anew): another identity, no sessions."""
        async with self.other.transaction():
            self.other.forget_credentials()
            made = new_credentials()
            self.other.credentials.save(replace(made, device_identity=linked_by(made, made)))

    @property
    def credentials(self) -> Credentials:
        found = self.other.credentials.read()
        assert found is not None
        return found

    async def receipt(
        self,
        sender: str,
        count: int = 1,
        *,
        keys: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> Node:
        """Returns the retry receipt of the other device, which could not read a message."""
        own = self.credentials
        parts = [
            Node("retry", {"count": f"{count}", "id": NUMBER, "t": "900", "v": "1"}),
            Node("registration", {}, own.registration_id.to_bytes(4, "big")),
        ]
        if keys:
            async with self.other.transaction():
                (prekey,) = Signal(self.other).make_prekeys(1)
            parts.append(Node("keys", {}, prekey_bundles.for_retry(own, prekey)))
        return Node(
            "receipt", {"id": NUMBER, "from": sender, "type": "retry", **(more or {})}, parts
        )

    async def resent(self, receipt: Node) -> Node:
        assert await self.resender.resend(receipt) == "resent"
        return self.wire.sent[-1]

    async def read(self, message: Node) -> wrappers.Received | None:
        """Decrypts a message as the other device."""
        (enc,) = message.children("enc")
        kind: Any = enc.attrs["type"]
        signal = Signal(self.other)
        await signal.prepare(DEVICE, kind, enc.data)
        async with self.other.transaction():
            padded = await signal.decrypt(DEVICE, kind, enc.data)
        return wrappers.read(wrappers.unpad(padded))

    async def answer(self, sender: str) -> None:
        """The other device says something on the session, so that it is no longer a new one."""
        async with self.other.transaction():
            kind, data = await Signal(self.other).encrypt(DEVICE, b"heard")
        async with self.session.transaction():
            await self.signal.decrypt(sender, kind, data)


@asynccontextmanager
async def turn(_: Address) -> AsyncIterator[None]:
    yield
