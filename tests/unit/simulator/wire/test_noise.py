"""The three handshakes, against a client written from the specification."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulator.wire.certificates import ServerIdentity, issue, new_private_key, public_key
from simulator.wire.noise import Handshake, HandshakeError
from tests.unit.simulator.noise_client import PROLOGUE, NoiseClient

PAYLOAD = b"client payload"


@pytest.fixture(scope="module")
def identity() -> ServerIdentity:
    return issue(new_private_key(), new_private_key())


def transported(client: NoiseClient, server: Handshake) -> None:
    transport = server.transport()
    for count in range(3):
        nonce = bytes(8) + count.to_bytes(4, "big")
        assert transport.decrypt(AESGCM(client.send_key).encrypt(nonce, b"up", b"")) == b"up"
        sealed = transport.encrypt(b"down")
        assert AESGCM(client.receive_key).decrypt(nonce, sealed, b"") == b"down"


def test_xx(identity: ServerIdentity) -> None:
    static = X25519PrivateKey.generate()
    client, server = NoiseClient(static), Handshake(identity, PROLOGUE)
    reply, early = server.respond(client.hello())
    assert early is None
    finish, server_static, chain = client.finish(reply, PAYLOAD)
    assert (server_static, chain) == (identity.static_public, identity.chain)
    assert server.finish(finish) == PAYLOAD
    assert server.client_static == static.public_key().public_bytes_raw()
    assert server.mode == "XX"
    transported(client, server)


def test_ik_resumption(identity: ServerIdentity) -> None:
    client, server = NoiseClient(X25519PrivateKey.generate()), Handshake(identity, PROLOGUE)
    reply, early = server.respond(client.resume(identity.static_public, PAYLOAD))
    assert early == PAYLOAD
    assert client.resumed(reply) == identity.chain
    assert server.client_static == client.static.public_key().public_bytes_raw()
    assert server.mode == "IK"
    transported(client, server)


def test_falls_back_when_the_client_resumes_against_another_key(identity: ServerIdentity) -> None:
    client, server = NoiseClient(X25519PrivateKey.generate()), Handshake(identity, PROLOGUE)
    old_key = public_key(new_private_key())
    reply, early = server.respond(client.resume(old_key, PAYLOAD))
    assert early is None
    client.fall_back()
    finish, server_static, _ = client.finish(reply, PAYLOAD)
    assert server_static == identity.static_public
    assert server.finish(finish) == PAYLOAD
    assert server.mode == "XXfallback"
    transported(client, server)


def test_another_prologue_does_not_authenticate(identity: ServerIdentity) -> None:
    client, server = NoiseClient(X25519PrivateKey.generate()), Handshake(identity, b"WA\x06\x02")
    reply, _ = server.respond(client.hello())
    with pytest.raises(InvalidTag):
        client.finish(reply, PAYLOAD)


def test_an_altered_finish_is_refused(identity: ServerIdentity) -> None:
    client, server = NoiseClient(X25519PrivateKey.generate()), Handshake(identity, PROLOGUE)
    reply, _ = server.respond(client.hello())
    finish, _, _ = client.finish(reply, PAYLOAD)
    with pytest.raises(HandshakeError, match="authenticate"):
        server.finish(finish[:-1] + bytes([finish[-1] ^ 1]))


@pytest.mark.parametrize("frame", [b"", b"\xff\xff\xff", b"\x12\x02\x0a\x00"])
def test_a_malformed_hello_is_refused(identity: ServerIdentity, frame: bytes) -> None:
    with pytest.raises(HandshakeError):
        Handshake(identity, PROLOGUE).respond(frame)


def test_an_altered_or_repeated_frame_is_refused(identity: ServerIdentity) -> None:
    client, server = NoiseClient(X25519PrivateKey.generate()), Handshake(identity, PROLOGUE)
    server.respond(client.resume(identity.static_public, PAYLOAD))
    client.send_key, client.receive_key = server._state.split()
    transport = server.transport()
    frame = AESGCM(client.send_key).encrypt(bytes(12), b"once", b"")
    with pytest.raises(HandshakeError):
        transport.decrypt(frame[:-1] + bytes([frame[-1] ^ 1]))
    assert transport.decrypt(frame) == b"once"
    with pytest.raises(HandshakeError):
        transport.decrypt(frame)
