"""Performs the server's half of WhatsApp's Noise handshake (XX, IK, fallback), and encrypts and decrypts frames.

Pattern names, the prologue (the four header bytes `WA` + version) and the nonce layout are those
of whatsmeow `socket/noisehandshake.go` and whatsapp-rust `noise/src/handshake.rs`.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulator.wire.certificates import ServerIdentity, new_private_key, public_key
from simulator.wire.protocol_library import HandshakeMessage

_XX: Final = b"Noise_XX_25519_AESGCM_SHA256"
_IK: Final = b"Noise_IK_25519_AESGCM_SHA256"
_XX_FALLBACK: Final = b"Noise_XXfallback_25519_AESGCM_SHA256"


class HandshakeError(Exception):
    """The client's handshake is malformed or does not authenticate."""


def _nonce(counter: int) -> bytes:
    return b"\0" * 8 + struct.pack(">I", counter)


def _exchange(private: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError as error:
        raise HandshakeError("bad public key") from error


def _hkdf(salt: bytes, material: bytes) -> tuple[bytes, bytes]:
    secret = hmac.digest(salt, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")


class SymmetricState:
    """Noise's symmetric state (specification section 5.2), both roles use it alike."""

    def __init__(self, pattern: bytes, prologue: bytes) -> None:
        self.hash = (
            pattern.ljust(32, b"\0") if len(pattern) <= 32 else hashlib.sha256(pattern).digest()
        )
        self._chain = self.hash
        self._key: bytes | None = None
        self._counter = 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """MixHash of the Noise specification (5.2)."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        """MixKey of the Noise specification (5.2)."""
        self._chain, self._key = _hkdf(self._chain, material)
        self._counter = 0

    def encrypt(self, plaintext: bytes) -> bytes:
        """EncryptAndHash of the Noise specification (5.2); needs a key."""
        assert self._key is not None
        sealed = AESGCM(self._key).encrypt(_nonce(self._counter), plaintext, self.hash)
        self._counter += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        """Raises HandshakeError when it does not authenticate."""
        assert self._key is not None
        try:
            opened = AESGCM(self._key).decrypt(_nonce(self._counter), sealed, self.hash)
        except InvalidTag as error:
            raise HandshakeError("handshake does not authenticate") from error
        self._counter += 1
        self.mix_hash(sealed)
        return opened

    def split(self) -> tuple[bytes, bytes]:
        """The two transport keys: initiator to responder, responder to initiator."""
        return _hkdf(self._chain, b"")


class Transport:
    """After the handshake: AES-GCM each way, the nonce counting the frames.

    A frame lost or altered on the way is noticed by the next one that arrives.
    """

    def __init__(self, receive_key: bytes, send_key: bytes) -> None:
        self._receive = AESGCM(receive_key)
        self._send = AESGCM(send_key)
        self._received = 0
        self._sent = 0

    def decrypt(self, sealed: bytes) -> bytes:
        """Raises HandshakeError when the frame does not authenticate at this counter."""
        try:
            opened = self._receive.decrypt(_nonce(self._received), sealed, b"")
        except InvalidTag as error:
            raise HandshakeError("frame does not authenticate") from error
        self._received += 1
        return opened

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypts the next frame to the client."""
        sealed = self._send.encrypt(_nonce(self._sent), plaintext, b"")
        self._sent += 1
        return sealed


class Handshake:
    """One client's handshake. `respond` first; `finish` unless `respond` already gave a payload."""

    def __init__(self, identity: ServerIdentity, prologue: bytes) -> None:
        self._identity = identity
        self._prologue = prologue
        self._state = SymmetricState(_XX, prologue)
        self._ephemeral = b""
        self.client_static = b""
        self.mode = "XX"

    def respond(self, frame: bytes) -> tuple[bytes, bytes | None]:
        """Returns the server hello, and the client's payload if it came at once (IK resumption).

        A client that resumes with an old static key is answered by XX over the ephemeral key that it
        already sent. Raises HandshakeError on a malformed hello.
        """
        hello = _parsed(frame).client_hello
        ephemeral = bytes(hello.ephemeral)
        if len(ephemeral) != 32:
            raise HandshakeError("client hello without an ephemeral key")
        if not hello.static:
            return self._hello(ephemeral), None
        try:
            payload = self._resume(ephemeral, bytes(hello.static), bytes(hello.payload))
        except HandshakeError:
            self.mode = "XXfallback"
            self._state = SymmetricState(_XX_FALLBACK, self._prologue)
            return self._hello(ephemeral), None
        self.mode = "IK"
        return self._resumed(ephemeral), payload

    def finish(self, frame: bytes) -> bytes:
        """Returns the client's payload. Raises HandshakeError when its static key is not proven."""
        finish = _parsed(frame).client_finish
        self.client_static = self._state.decrypt(bytes(finish.static))
        self._state.mix_key(_exchange(self._ephemeral, self.client_static))
        return self._state.decrypt(bytes(finish.payload))

    def transport(self) -> Transport:
        """Returns the ciphers of both directions (Split of the Noise specification), once the handshake is over."""
        receive_key, send_key = self._state.split()
        return Transport(receive_key, send_key)

    def _hello(self, client_ephemeral: bytes) -> bytes:
        state = self._state
        state.mix_hash(client_ephemeral)
        ephemeral = self._new_ephemeral()
        state.mix_hash(ephemeral)
        state.mix_key(_exchange(self._ephemeral, client_ephemeral))
        reply = HandshakeMessage()
        reply.server_hello.ephemeral = ephemeral
        reply.server_hello.static = state.encrypt(self._identity.static_public)
        state.mix_key(_exchange(self._identity.static_private, client_ephemeral))
        reply.server_hello.payload = state.encrypt(self._identity.chain)
        return bytes(reply.SerializeToString())

    def _resume(self, ephemeral: bytes, static: bytes, payload: bytes) -> bytes:
        state = SymmetricState(_IK, self._prologue)
        private = self._identity.static_private
        state.mix_hash(self._identity.static_public)
        state.mix_hash(ephemeral)
        state.mix_key(_exchange(private, ephemeral))
        self.client_static = state.decrypt(static)
        state.mix_key(_exchange(private, self.client_static))
        opened = state.decrypt(payload)
        self._state = state
        return opened

    def _resumed(self, client_ephemeral: bytes) -> bytes:
        state = self._state
        ephemeral = self._new_ephemeral()
        state.mix_hash(ephemeral)
        state.mix_key(_exchange(self._ephemeral, client_ephemeral))
        state.mix_key(_exchange(self._ephemeral, self.client_static))
        reply = HandshakeMessage()
        reply.server_hello.ephemeral = ephemeral
        reply.server_hello.payload = state.encrypt(self._identity.chain)
        return bytes(reply.SerializeToString())

    def _new_ephemeral(self) -> bytes:
        self._ephemeral = new_private_key()
        return public_key(self._ephemeral)


def _parsed(frame: bytes) -> Any:
    message = HandshakeMessage()
    try:
        message.ParseFromString(frame)
    except Exception as error:
        raise HandshakeError("malformed handshake message") from error
    return message
