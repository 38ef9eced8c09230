"""A linked device for tests: enough of a client to pair, log in, send, receive and acknowledge.

It speaks over a real WebSocket with the Noise client of these tests. For Signal it borrows the
simulator's endpoint, with a store of its own: that this part speaks Signal is proven by the
foreign client in `tests/conformance`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from simulator.contacts.signal_endpoints import Bundle, SignalEndpoints
from simulator.phones.adv import parsed
from simulator.server.rules.versions import CURRENT
from simulator.store import Store
from simulator.wire.frames import FrameReader, framed
from simulator.wire.proto_schema import DeviceProps, LoginFlags, Message
from simulator.wire.protocol_library import (
    JID,
    PN_SERVER,
    SERVER,
    ADVSignedDeviceIdentityHMAC,
    ClientPayload,
    HandshakeMessage,
    Node,
    bytes_of,
    decode,
    encode,
    number_bytes,
    xeddsa_sign,
)
from tests.unit.simulator.noise_client import PROLOGUE, NoiseClient

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.server_state import ServerState

ANSWER_SECONDS = 60.0


def announce(payload: Any, version: str) -> None:
    """Writes a version of WhatsApp Web into a client's payload."""
    announced = payload.user_agent.app_version
    announced.primary, announced.secondary, announced.tertiary = map(int, version.split("."))


class Device:
    """One device of an account, with its keys; `connect` again logs in again."""

    def __init__(self, world: ServerState, ws_url: str, directory: Path) -> None:
        self.world = world
        self.ws_url = ws_url
        self.store = Store(directory / f"{secrets.token_hex(4)}.db")
        self.signal = SignalEndpoints(self.store).phone("15550100099")
        self.noise = X25519PrivateKey.generate()
        self.secret = secrets.token_bytes(32)
        self.number = ""
        self.device = 0
        self.identity_bytes = b""
        self.client_props = b""
        self.server_static = b""
        self.handshake_mode = "XX"
        self.fell_back = False
        self.chain = b""
        self.version = CURRENT
        self.device_props = DeviceProps(history_sync_config=b"").SerializeToString()
        self.user_agent: str | None = None
        self.login_flags: dict[str, Any] = {"lc": 1, "lid_db_migrated": True}
        self.sync_keys: dict[bytes, bytes] = {}
        """Keys for app state by their ids."""
        self.passed: list[Any] = []
        """Stanzas that came while a query waited for its answer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        self.store.close()

    async def close(self) -> None:
        if hasattr(self, "socket"):
            await self.socket.close()

    async def connect(self, payload: Any, *, routing: bytes = b"") -> None:
        self.socket = await connect(
            self.ws_url,
            compression=None,
            ping_interval=None,
            user_agent_header=self.user_agent,
        )
        self.frames = FrameReader(self.socket)
        client = NoiseClient(self.noise)
        sealed = payload.SerializeToString()
        resume = self.server_static if self.handshake_mode == "IK" else b""
        hello = client.resume(resume, sealed) if resume else client.hello()
        prefix = b"ED\x00\x01" + len(routing).to_bytes(3, "big") + routing if routing else b""
        await self.socket.send(prefix + PROLOGUE + framed(hello))
        reply = await self.frames.frame()
        if resume and not HandshakeMessage.FromString(reply).server_hello.static:
            self.fell_back = False
            client.resumed(reply)
        else:
            self.fell_back = bool(resume)
            if self.fell_back:
                client.fall_back()
            finish, self.server_static, self.chain = client.finish(reply, sealed)
            await self.socket.send(framed(finish))
        self._send, self._receive = AESGCM(client.send_key), AESGCM(client.receive_key)
        self._sent = self._received = 0

    async def login(self, *, passive: bool = False, routing: bytes = b"") -> Any:
        """Logs in; the server's first stanza."""
        payload = ClientPayload(username=int(self.number), device=self.device, passive=passive)
        payload.MergeFromString(LoginFlags(**self.login_flags).SerializeToString())
        announce(payload, self.version)
        await self.connect(payload, routing=routing)
        return await self.next()

    async def register(self, *, client_type: str = "1") -> str:
        """Registers; the QR of the first ref, which names the client's type unless that is empty."""
        payload = ClientPayload()
        announce(payload, self.version)
        data, signed = payload.device_pairing_data, self.signal.signed_prekey
        data.device_props = self.device_props
        data.e_regid = number_bytes(self.signal.registration, 4)
        data.e_keytype = b"\x05"
        data.e_ident = self.signal.identity.public
        data.e_skey_id = number_bytes(signed.key_id, 3)
        data.e_skey_val = signed.public
        data.e_skey_sig = signed.signature
        await self.connect(payload)
        offer = await self.next("iq")
        await self.send(Node("iq", {"to": SERVER, "type": "result", "id": offer.attrs["id"]}))
        ref = bytes_of(offer, "pair-device", "ref").decode()
        keys = (self.noise.public_key().public_bytes_raw(), self.signal.identity.public)
        parts = [base64.b64encode(key).decode() for key in (*keys, self.secret)]
        return ",".join([ref, *parts, *([client_type] if client_type else [])])

    async def sign(self, *, forged: bool = False) -> None:
        """Answers `pair-success`, verifying what the phone signed only in so far as it needs."""
        success = await self.next("iq")
        sealed = ADVSignedDeviceIdentityHMAC.FromString(
            bytes_of(success, "pair-success", "device-identity")
        )
        assert sealed.hmac == hmac.digest(self.secret, sealed.details, hashlib.sha256)
        identity = parsed(sealed.details)
        private = secrets.token_bytes(32) if forged else self.signal.identity.private
        identity.device_signature = xeddsa_sign(
            private,
            b"\x06\x01"
            + identity.details
            + self.signal.identity.public
            + identity.account_signature_key,
        )
        self.identity_bytes = identity.SerializeToString()
        if success.get_child("pair-success").get_child("client-props") is not None:
            self.client_props = bytes_of(success, "pair-success", "client-props")
        jid = success.get_child("pair-success").get_child("device").attrs["jid"]
        self.number, self.device = jid.user, jid.device
        answer = Node("pair-device-sign", {}, [Node("device-identity", {}, self.identity_bytes)])
        attrs = {"to": SERVER, "type": "result", "id": success.attrs["id"]}
        await self.send(Node("iq", attrs, [answer]))

    async def pair(self, number: str, *, prekeys: int = 10) -> None:
        """Pairs, logs in, uploads prekeys and takes the keys that the phone shares thereupon."""
        qr = await self.register()
        await asyncio.gather(self.world.pairing.scan(number, qr), self.sign())
        restart = await self.next("stream:error")
        assert restart.attrs["code"] == "515"
        await self.close()
        assert (await self.login()).tag == "success"
        await self.upload(prekeys)
        await self.take_keys(await self.next("message"))

    async def take_keys(self, stanza: Any) -> None:
        """Answers the message in which a phone shares its keys for app state."""
        assert stanza.attrs["category"] == "peer"
        share = self.message_in(stanza).protocol_message.app_state_sync_key_share
        self.sync_keys |= {one.key_id.key_id: one.key_data.key_data for one in share.keys}
        attrs = {"id": stanza.attrs["id"], "to": stanza.attrs["from"], "type": "peer_msg"}
        await self.send(Node("receipt", attrs))
        await self.query("w:p", "get")  # by now the server has the receipt

    async def upload(self, count: int) -> None:
        bundles = [self.signal.bundle() for _ in range(count)]
        await self.query(
            "encrypt",
            "set",
            Node("registration", {}, number_bytes(self.signal.registration, 4)),
            Node("type", {}, b"\x05"),
            Node("identity", {}, self.signal.identity.public),
            Node("list", {}, [_key_node(bundle) for bundle in bundles]),
        )

    async def send(self, stanza: Any) -> None:
        await self.send_bytes(encode(stanza))

    async def send_bytes(self, plaintext: bytes) -> None:
        """Sends a frame, whatever it has."""
        nonce = bytes(8) + self._sent.to_bytes(4, "big")
        self._sent += 1
        await self.socket.send(framed(self._send.encrypt(nonce, plaintext, b"")))

    async def next(self, tag: str | None = None, seconds: float = ANSWER_SECONDS) -> Any:
        """The next stanza, of that tag; others are passed over. TimeoutError when none comes."""
        async with asyncio.timeout(seconds):
            while True:
                frame = await self.frames.frame()
                nonce = bytes(8) + self._received.to_bytes(4, "big")
                self._received += 1
                stanza = decode(self._receive.decrypt(nonce, frame, b""))
                if tag is None or stanza.tag == tag:
                    return stanza

    async def closed(self, seconds: float = ANSWER_SECONDS) -> None:
        """Waits until the server has closed the socket."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.frames.frame()
                except ConnectionClosed:
                    return

    async def query(self, space: str, kind: str, *content: Any) -> Any:
        """The answer to a query; stanzas that come meanwhile are in `passed`."""
        self.passed.clear()
        query_id = secrets.token_hex(4)
        attrs = {"to": SERVER, "xmlns": space, "type": kind, "id": query_id}
        await self.send(Node("iq", attrs, list(content) or None))
        while True:
            answer = await self.next()
            if answer.tag == "iq" and answer.attrs["id"] == query_id:
                return answer
            self.passed.append(answer)

    async def read(self, seconds: float = ANSWER_SECONDS) -> tuple[str, str]:
        """Decrypts and acknowledges the next message: its id and text."""
        stanza = await self.next("message", seconds)
        message_id = str(stanza.attrs["id"])
        text = self.decrypt(stanza)
        await self.send(Node("receipt", {"id": message_id, "to": stanza.attrs["from"]}))
        return message_id, text

    def decrypt(self, stanza: Any) -> str:
        message = self.message_in(stanza)
        return str(message.conversation or message.device_sent_message.message.conversation)

    def message_in(self, stanza: Any) -> Any:
        enc = stanza.get_child("enc")
        person = self.world.people.at(stanza.attrs["from"])
        assert person is not None
        peer = (person.number, stanza.attrs["from"].device)
        return Message.FromString(self.signal.decrypt(peer, enc.attrs["type"], enc.content))

    async def bundle(self, number: str, device: int = 0) -> Bundle:
        """Fetches a device's bundle; without a one-time prekey when it has none left."""
        user = Node("user", {"jid": self._address(number, device)})
        answer = await self.query("encrypt", "get", Node("key", {}, [user]))
        return self.bundle_in(answer.get_child("list").get_child("user"))

    @staticmethod
    def bundle_in(found: Any) -> Bundle:
        """The bundle of a query's answer, or of a retry receipt's keys (no registration id)."""
        key, registration = found.get_child("key"), found.get_child("registration")
        return Bundle(
            0 if registration is None else int.from_bytes(registration.content, "big"),
            bytes_of(found, "identity"),
            int.from_bytes(bytes_of(found, "skey", "id"), "big"),
            bytes_of(found, "skey", "value"),
            bytes_of(found, "skey", "signature"),
            None if key is None else int.from_bytes(bytes_of(key, "id"), "big"),
            None if key is None else bytes_of(key, "value"),
        )

    async def part(
        self, number: str, device: int, message: Any, bundle: Bundle | None = None
    ) -> Any:
        """One device's part of a message, over a new session when there is none or with keys."""
        peer = (number, device)
        if bundle is None and not self.signal.has_session(peer):
            bundle = await self.bundle(*peer)
        kind, sealed = self.signal.encrypt(peer, message.SerializeToString(), bundle)
        enc = Node("enc", {"v": "2", "type": kind}, sealed)
        return Node("to", {"jid": self._address(number, device)}, [enc])

    async def message(
        self,
        number: str,
        said: Any,
        message_id: str,
        *,
        devices: tuple[int, ...] = (0,),
        bundle: Bundle | None = None,
    ) -> Any:
        """A message, or a text, to a person's devices; not yet sent."""
        message = Message(conversation=said) if isinstance(said, str) else said
        parts = [await self.part(number, one, message, bundle) for one in devices]
        content = [
            Node("participants", {}, parts),
            Node("device-identity", {}, self.identity_bytes),
        ]
        return Node("message", {"to": JID(number), "id": message_id}, content)

    def _address(self, number: str, device: int) -> Any:
        return self.world.people.named(number).address(PN_SERVER, device)

    def readdress(self, stanza: Any, server: str) -> None:
        """Names the chat of a message and all its devices by LID, or by number."""
        nodes = [(stanza, "to")]
        nodes += [(one, "jid") for one in stanza.get_child("participants").get_children("to")]
        for node, name in nodes:
            person = self.world.people.at(node.attrs[name])
            assert person is not None
            node.attrs[name] = person.address(server, node.attrs[name].device)

    @staticmethod
    def own_copy(text: str, to: str) -> Any:
        """Builds the receipt for the account's other devices."""
        copy = Message()
        copy.device_sent_message.destination_jid = str(JID(to))
        copy.device_sent_message.message.conversation = text
        return copy


def _key_node(bundle: Bundle) -> Any:
    assert bundle.prekey_id is not None
    key_id = Node("id", {}, number_bytes(bundle.prekey_id, 3))
    return Node("key", {}, [key_id, Node("value", {}, bundle.prekey)])
