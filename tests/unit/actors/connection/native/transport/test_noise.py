from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.native.signal import signatures
from actors.connection.native.transport.certificates import (
    CLOCK_SKEW,
    HandshakeRefused,
    verify_chain,
)
from actors.connection.native.transport.noise import (
    PROLOGUE,
    BadFrame,
    Handshake,
    Resumption,
    Transport,
)
from actors.connection.protocol.wire_format.nodes import parse, proto

NOW = 1_800_000_000


@dataclass
class Key:
    private: bytes
    public: bytes


def key() -> Key:
    private = X25519PrivateKey.generate()
    return Key(private.private_bytes_raw(), private.public_key().public_bytes_raw())


ROOT = key()
STATIC = key()


def chain(static: bytes = STATIC.public, **changes: Any) -> bytes:
    """A chain as WhatsApp's server shows it, with what a forger would change."""
    between = key()
    details = proto.CertChain.NoiseCertificate.Details
    times = {"notBefore": NOW - 1000, "notAfter": NOW + 1000}
    issuer = details(serial=7, issuerSerial=0, key=between.public, **times)
    leaf = details(serial=8, issuerSerial=7, key=static, **times)
    for name, value in changes.items():
        part, _, attribute = name.partition("_")
        if part in ("issuer", "leaf"):
            setattr({"issuer": issuer, "leaf": leaf}[part], attribute, value)
    message = proto.CertChain()
    message.intermediate.details = issuer.SerializeToString()
    message.leaf.details = leaf.SerializeToString()
    root = changes.get("root", ROOT)
    signer = changes.get("signer", between)
    message.intermediate.signature = signatures.sign(root.private, message.intermediate.details)
    message.leaf.signature = signatures.sign(signer.private, message.leaf.details)
    for part in changes.get("cleared", ()):
        message.ClearField(part)
    for part in changes.get("tampered", ()):
        certificate = getattr(message, part)
        certificate.signature = certificate.signature[:-2] + bytes(
            [certificate.signature[-2] ^ 1, certificate.signature[-1]]
        )
    serialized: bytes = message.SerializeToString()
    return serialized


def test_a_true_chain_is_accepted() -> None:
    verify_chain(chain(), STATIC.public, ROOT.public, NOW)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        pytest.param({"root": key()}, "intermediate_signature", id="another root"),
        pytest.param({"tampered": ["intermediate"]}, "intermediate_signature", id="one bit"),
        pytest.param({"issuer_issuerSerial": 1}, "intermediate_issuer", id="not the root's"),
        pytest.param({"signer": key()}, "leaf_signature", id="leaf signed by a stranger"),
        pytest.param({"signer": ROOT}, "leaf_signature", id="leaf signed by the root itself"),
        pytest.param({"tampered": ["leaf"]}, "leaf_signature", id="one bit of the leaf's"),
        pytest.param({"issuer_key": b"short"}, "leaf_signature", id="no key in the intermediate"),
        pytest.param({"leaf_issuerSerial": 6}, "leaf_issuer", id="another issuer's serial"),
        pytest.param({"leaf_key": key().public}, "leaf_key", id="another server's leaf"),
        pytest.param({"leaf_notAfter": NOW - CLOCK_SKEW - 1}, "certificate_expired", id="old leaf"),
        pytest.param({"issuer_notAfter": 1}, "certificate_expired", id="old intermediate"),
        pytest.param(
            {"leaf_notBefore": NOW + CLOCK_SKEW + 1}, "certificate_not_yet_valid", id="early leaf"
        ),
        pytest.param(
            {"issuer_notBefore": NOW * 2}, "certificate_not_yet_valid", id="early intermediate"
        ),
        pytest.param({"cleared": ["intermediate"]}, "intermediate_signature", id="leaf alone"),
        pytest.param({"cleared": ["leaf"]}, "leaf_signature", id="intermediate alone"),
        pytest.param({"cleared": ["leaf", "intermediate"]}, "intermediate_signature", id="empty"),
    ],
)
def test_a_forged_chain_is_refused(forged: dict[str, Any], code: str) -> None:
    with pytest.raises(HandshakeRefused) as refusal:
        verify_chain(chain(**forged), STATIC.public, ROOT.public, NOW)
    assert refusal.value.code == code


@pytest.mark.parametrize("length", [0, 1, 40])
def test_a_chain_of_random_bytes_is_refused(length: int) -> None:
    with pytest.raises(HandshakeRefused):
        verify_chain(os.urandom(length), STATIC.public, ROOT.public, NOW)


class Server:
    """The other side of the handshake, written apart from the client's after the Noise paper."""

    def __init__(self, static: Key, certificates: bytes) -> None:
        self.static = static
        self.certificates = certificates
        self.chaining = self.hash = b"Noise_XX_25519_AESGCM_SHA256" + bytes(4)
        self.ephemeral = key()
        self.counter = 0
        self.mix_hash(PROLOGUE)

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, private: bytes, public: bytes) -> None:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
        derived = HKDF(SHA256(), 64, self.chaining, b"").derive(shared)
        self.chaining, self.key = derived[:32], derived[32:]
        self.counter = 0

    def nonce(self) -> bytes:
        self.counter += 1
        return bytes(4) + (self.counter - 1).to_bytes(8, "big")

    def seal(self, data: bytes) -> bytes:
        sealed = AESGCM(self.key).encrypt(self.nonce(), data, self.hash)
        self.mix_hash(sealed)
        return sealed

    def unseal(self, sealed: bytes) -> bytes:
        data = AESGCM(self.key).decrypt(self.nonce(), sealed, self.hash)
        self.mix_hash(sealed)
        return data

    def answer(self, hello: bytes) -> bytes:
        self.client = bytes(parse(proto.HandshakeMessage, hello).clientHello.ephemeral)
        self.mix_hash(self.client)
        self.mix_hash(self.ephemeral.public)
        self.mix_key(self.ephemeral.private, self.client)
        message = proto.HandshakeMessage()
        message.serverHello.ephemeral = self.ephemeral.public
        message.serverHello.static = self.seal(self.static.public)
        self.mix_key(self.static.private, self.client)
        message.serverHello.payload = self.seal(self.certificates)
        serialized: bytes = message.SerializeToString()
        return serialized

    def finish(self, last: bytes) -> tuple[bytes, bytes, Transport]:
        message = parse(proto.HandshakeMessage, last).clientFinish
        client_static = self.unseal(bytes(message.static))
        self.mix_key(self.ephemeral.private, client_static)
        payload = self.unseal(bytes(message.payload))
        keys = HKDF(SHA256(), 64, self.chaining, b"").derive(b"")
        return client_static, payload, Transport(keys[32:], keys[:32])


class ResumedServer(Server):
    """A server that is met by IK, and falls back where the client meant another key."""

    def __init__(self, static: Key, certificates: bytes) -> None:
        super().__init__(static, certificates)
        self.chaining = self.hash = b"Noise_IK_25519_AESGCM_SHA256" + bytes(4)
        self.mix_hash(PROLOGUE)
        self.mix_hash(static.public)

    def answer(self, hello: bytes) -> bytes:
        message = parse(proto.HandshakeMessage, hello).clientHello
        self.client = bytes(message.ephemeral)
        self.mix_hash(self.client)
        self.mix_key(self.static.private, self.client)
        try:
            self.client_static = self.unseal(bytes(message.static))
        except InvalidTag:
            self.chaining = self.hash = hashlib.sha256(
                b"Noise_XXfallback_25519_AESGCM_SHA256"
            ).digest()
            self.mix_hash(PROLOGUE)
            return super().answer(hello)
        self.mix_key(self.static.private, self.client_static)
        self.payload = self.unseal(bytes(message.payload))
        reply = proto.HandshakeMessage()
        reply.serverHello.ephemeral = self.ephemeral.public
        self.mix_hash(self.ephemeral.public)
        self.mix_key(self.ephemeral.private, self.client)
        self.mix_key(self.ephemeral.private, self.client_static)
        reply.serverHello.payload = self.seal(self.certificates)
        serialized: bytes = reply.SerializeToString()
        return serialized

    def resumed(self) -> Transport:
        keys = HKDF(SHA256(), 64, self.chaining, b"").derive(b"")
        return Transport(keys[32:], keys[:32])


def test_handshake_with_a_server_that_proves_itself() -> None:
    client_static = key()
    server = Server(STATIC, chain())
    handshake = Handshake(client_static.private, ROOT.public)
    last, transport = handshake.finish(server.answer(handshake.hello(b"payload")), b"payload", NOW)
    assert last is not None
    assert handshake.server_key == STATIC.public
    proven, payload, other = server.finish(last)
    assert (proven, payload) == (client_static.public, b"payload")
    for number in range(3):
        text = f"frame {number}".encode()
        assert other.decrypt(transport.encrypt(text)) == text
        assert transport.decrypt(other.encrypt(text)) == text


def test_a_server_with_anothers_chain_learns_nothing_of_the_client() -> None:
    impostor = Server(key(), chain())
    handshake = Handshake(key().private, ROOT.public)
    with pytest.raises(HandshakeRefused, match="leaf_key"):
        handshake.finish(impostor.answer(handshake.hello(b"payload")), b"payload", NOW)


DAMAGES = ("flip", "cut", "empty", "low_order")


def do_damage(hello: Any, field: str, damage: str) -> None:
    """Changes a field of a server hello in one of the `DAMAGES`."""
    value = bytes(getattr(hello, field)) or b"\1"
    changed = {
        "flip": bytes([value[0] ^ 1]) + value[1:],
        "cut": value[:-1],
        "empty": b"",
        "low_order": bytes(32),
    }[damage]
    setattr(hello, field, changed)


@pytest.mark.parametrize("field", ["ephemeral", "static", "payload"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_server_hello_is_refused(field: str, damage: str) -> None:
    server = Server(STATIC, chain())
    handshake = Handshake(key().private, ROOT.public)
    message = parse(proto.HandshakeMessage, server.answer(handshake.hello(b"payload")))
    do_damage(message.serverHello, field, damage)
    with pytest.raises(HandshakeRefused):
        handshake.finish(message.SerializeToString(), b"payload", NOW)


def test_random_bytes_for_a_server_hello_are_refused() -> None:
    handshake = Handshake(key().private, ROOT.public)
    handshake.hello(b"payload")
    with pytest.raises(HandshakeRefused):
        handshake.finish(b"\xff\xff\xff", b"payload", NOW)


def test_a_frame_lost_repeated_or_changed_does_not_decrypt() -> None:
    keys = os.urandom(32), os.urandom(32)
    for broken in ("lost", "repeated", "changed"):
        sender, receiver = Transport(*keys), Transport(*keys[::-1])
        first, second = sender.encrypt(b"one"), sender.encrypt(b"two")
        if broken == "lost":
            frame = second
        elif broken == "repeated":
            receiver.decrypt(first)
            frame = first
        else:
            frame = first[:-1] + bytes([first[-1] ^ 1])
        with pytest.raises(BadFrame):
            receiver.decrypt(frame)


def test_a_known_server_gets_all_with_the_first_message() -> None:
    client_static = key()
    server = ResumedServer(STATIC, chain())
    resumption = Resumption(client_static.private, ROOT.public, STATIC.public)
    hello = resumption.hello(b"payload")
    last, transport = resumption.finish(server.answer(hello), b"payload", NOW)
    assert last is None
    assert (server.client_static, server.payload) == (client_static.public, b"payload")
    assert resumption.server_key == STATIC.public
    other = server.resumed()
    assert other.decrypt(transport.encrypt(b"there")) == b"there"
    assert transport.decrypt(other.encrypt(b"back")) == b"back"


def test_a_known_server_with_another_key_is_met_by_a_fallback() -> None:
    client_static, new = key(), key()
    server = ResumedServer(new, chain(new.public))
    resumption = Resumption(client_static.private, ROOT.public, STATIC.public)
    answer = server.answer(resumption.hello(b"payload"))
    last, transport = resumption.finish(answer, b"payload", NOW)
    assert last is not None
    proven, payload, other = server.finish(last)
    assert (proven, payload) == (client_static.public, b"payload")
    assert resumption.server_key == new.public
    assert other.decrypt(transport.encrypt(b"there")) == b"there"


@pytest.mark.parametrize(
    ("certificates", "code"),
    [
        pytest.param(chain(root=key()), "intermediate_signature", id="another root"),
        pytest.param(chain(key().public), "leaf_key", id="another server's"),
        pytest.param(chain(leaf_notAfter=1), "certificate_expired", id="expired since"),
        pytest.param(b"", "intermediate_signature", id="none"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_known_server_proves_itself_each_time(
    certificates: bytes, code: str, known: bool
) -> None:
    server = ResumedServer(STATIC, certificates)
    expected = STATIC.public if known else key().public
    resumption = Resumption(key().private, ROOT.public, expected)
    answer = server.answer(resumption.hello(b"payload"))
    with pytest.raises(HandshakeRefused, match=code):
        resumption.finish(answer, b"payload", NOW)
    assert resumption.server_key == b""


@pytest.mark.parametrize(
    ("field", "damage"),
    [
        *((field, how) for field in ("ephemeral", "payload") for how in DAMAGES),
        ("static", "flip"),
        ("static", "low_order"),
    ],
)
def test_a_damaged_answer_to_a_resumption_is_refused(field: str, damage: str) -> None:
    server = ResumedServer(STATIC, chain())
    resumption = Resumption(key().private, ROOT.public, STATIC.public)
    message = parse(proto.HandshakeMessage, server.answer(resumption.hello(b"payload")))
    do_damage(message.serverHello, field, damage)
    with pytest.raises(HandshakeRefused):
        resumption.finish(message.SerializeToString(), b"payload", NOW)


def test_no_resumption_with_a_key_that_is_none() -> None:
    for nonsense in (bytes(32), b"short", b""):
        with pytest.raises(ValueError, match=r".*"):
            Resumption(key().private, ROOT.public, nonsense)
