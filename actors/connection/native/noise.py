"""The encrypted channel: Noise XX with Curve25519, AES-GCM and SHA-256, as WhatsApp uses it.

The server proves itself by a chain of two certificates under a root key that the caller gives. The
chain is checked strictly before the client's static key or payload leave: a server that cannot
prove itself learns nothing but an ephemeral key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.native.certificates import HandshakeRefused, verify_chain
from actors.connection.native.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER: Final = b"WA\x06\x03"
"""Protocol version and dictionary version; the first bytes on the wire and Noise's prologue."""

_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"


class BadFrame(Exception):  # noqa: N818 - reads as what it is
    """A frame that does not decrypt: corrupted, lost, repeated or out of order."""


class Transport:
    """The channel after the handshake: each direction counts its frames, so none may be skipped."""

    __slots__ = ("_read", "_received", "_sent", "_write")

    def __init__(self, write: bytes, read: bytes) -> None:
        self._write = AESGCM(write)
        self._read = AESGCM(read)
        self._sent = 0
        self._received = 0

    def encrypt(self, plaintext: bytes) -> bytes:
        """The next outgoing frame; frames must leave in the order of these calls."""
        frame = self._write.encrypt(_nonce(self._sent), plaintext, None)
        self._sent += 1
        return frame

    def decrypt(self, frame: bytes) -> bytes:
        """The plaintext of the next incoming frame. Raises `BadFrame`."""
        try:
            plaintext = self._read.decrypt(_nonce(self._received), frame, None)
        except InvalidTag:
            raise BadFrame("does not decrypt") from None
        self._received += 1
        return plaintext


class Handshake:
    """The client's side of one handshake: `hello`, then `finish` with the server's answer."""

    def __init__(
        self, static_private: bytes, root_key: bytes, *, ephemeral: bytes | None = None
    ) -> None:
        self._static = X25519PrivateKey.from_private_bytes(static_private)
        self._root_key = root_key
        self._ephemeral = (
            X25519PrivateKey.from_private_bytes(ephemeral)
            if ephemeral is not None
            else X25519PrivateKey.generate()
        )
        self._hash = _PATTERN
        self._chaining = _PATTERN
        self._cipher: AESGCM | None = None
        self._counter = 0
        self._mix_hash(HEADER)

    def hello(self) -> bytes:
        """The first message: a fresh ephemeral key."""
        public = self._ephemeral.public_key().public_bytes_raw()
        self._mix_hash(public)
        message = proto.HandshakeMessage()
        message.clientHello.ephemeral = public
        serialized: bytes = message.SerializeToString()
        return serialized

    def finish(self, answer: bytes, payload: bytes, now: float) -> tuple[bytes, Transport]:
        """The last message, carrying `payload`, and the open channel.

        Raises `HandshakeRefused` when the server's answer cannot be read or its certificates do
        not prove its key at the time `now` (seconds since the epoch).
        """
        try:
            hello = parse(proto.HandshakeMessage, answer).serverHello
            ephemeral = bytes(hello.ephemeral)
            self._mix_hash(ephemeral)
            self._mix_key(_exchange(self._ephemeral, ephemeral))
            static = self._open(bytes(hello.static))
            self._mix_key(_exchange(self._ephemeral, static))
            chain = self._open(bytes(hello.payload))
        except (InvalidTag, ValueError, MalformedMessage):
            raise HandshakeRefused("server_hello") from None
        verify_chain(chain, static, self._root_key, now)
        message = proto.HandshakeMessage()
        message.clientFinish.static = self._seal(self._static.public_key().public_bytes_raw())
        self._mix_key(_exchange(self._static, ephemeral))
        message.clientFinish.payload = self._seal(payload)
        write, read = _derive(self._chaining, b"")
        return message.SerializeToString(), Transport(write, read)

    def _mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix_key(self, secret: bytes) -> None:
        self._chaining, key = _derive(self._chaining, secret)
        self._cipher = AESGCM(key)
        self._counter = 0

    def _seal(self, plaintext: bytes) -> bytes:
        ciphertext = self._apply(lambda cipher, nonce: cipher.encrypt(nonce, plaintext, self._hash))
        self._mix_hash(ciphertext)
        return ciphertext

    def _open(self, ciphertext: bytes) -> bytes:
        plaintext = self._apply(lambda cipher, nonce: cipher.decrypt(nonce, ciphertext, self._hash))
        self._mix_hash(ciphertext)
        return plaintext

    def _apply(self, operation: Callable[[AESGCM, bytes], bytes]) -> bytes:
        assert self._cipher is not None
        result = operation(self._cipher, _nonce(self._counter))
        self._counter += 1
        return result


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def _derive(salt: bytes, secret: bytes) -> tuple[bytes, bytes]:
    output = HKDF(SHA256(), 64, salt, b"").derive(secret)
    return output[:32], output[32:]


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
