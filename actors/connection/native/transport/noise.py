"""Performs the client's half of WhatsApp's Noise handshake (XX, IK), and encrypts and decrypts the frames after it.

`Handshake` (XX) needs nothing of the server. `Resumption` (IK) has its key from an earlier login
and saves a round trip; a server with another key by now turns it into XXfallback.

The server proves itself by a chain of two certificates under a root key that the caller gives, in
every handshake. Bytes that leave before that can be read only by the owner of a key that was proven.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.native.transport.certificates import HandshakeRefused, verify_chain
from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Callable

PROLOGUE: Final = b"WA\x06\x03"
"""Protocol version and dictionary version; the first bytes on the wire and Noise's prologue."""

_XX = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
_IK = b"Noise_IK_25519_AESGCM_SHA256\0\0\0\0"
# Longer than a digest, so Noise takes its digest.
_FALLBACK = hashlib.sha256(b"Noise_XXfallback_25519_AESGCM_SHA256").digest()


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


class _Transcript:
    """Noise's symmetric state: the running hash, the chaining key, the cipher of the moment."""

    def __init__(self, pattern: bytes) -> None:
        self._hash = pattern
        self._chaining = pattern
        self._cipher: AESGCM | None = None
        self._counter = 0
        self.mix_hash(PROLOGUE)

    def mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        self._chaining, key = _derive(self._chaining, secret)
        self._cipher = AESGCM(key)
        self._counter = 0

    def seal(self, plaintext: bytes) -> bytes:
        ciphertext = self._apply(lambda cipher, nonce: cipher.encrypt(nonce, plaintext, self._hash))
        self.mix_hash(ciphertext)
        return ciphertext

    def open(self, ciphertext: bytes) -> bytes:
        plaintext = self._apply(lambda cipher, nonce: cipher.decrypt(nonce, ciphertext, self._hash))
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> Transport:
        write, read = _derive(self._chaining, b"")
        return Transport(write, read)

    def _apply(self, operation: Callable[[AESGCM, bytes], bytes]) -> bytes:
        assert self._cipher is not None
        result = operation(self._cipher, _nonce(self._counter))
        self._counter += 1
        return result


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
        self.server_key = b""
        """The server's static key (32 bytes), once `finish` saw it proven."""

    def hello(self, payload: bytes) -> bytes:
        """The first message: a fresh ephemeral key. `payload` waits for the server's proof."""
        del payload
        message = proto.HandshakeMessage()
        message.clientHello.ephemeral = _public(self._ephemeral)
        serialized: bytes = message.SerializeToString()
        return serialized

    def finish(self, answer: bytes, payload: bytes, now: float) -> tuple[bytes | None, Transport]:
        """The last message, carrying `payload` (None where the first did), and the open channel.

        Raises `HandshakeRefused` when the server's answer cannot be read or its certificates do
        not prove its key at the time `now` (seconds since the epoch).
        """
        return self._exchange(_XX, _hello(answer), payload, now)

    def _exchange(
        self, pattern: bytes, hello: Any, payload: bytes, now: float
    ) -> tuple[bytes, Transport]:
        transcript = _Transcript(pattern)
        transcript.mix_hash(_public(self._ephemeral))
        try:
            ephemeral = bytes(hello.ephemeral)
            transcript.mix_hash(ephemeral)
            transcript.mix_key(_agree(self._ephemeral, ephemeral))
            static = transcript.open(bytes(hello.static))
            transcript.mix_key(_agree(self._ephemeral, static))
            chain = transcript.open(bytes(hello.payload))
        except (InvalidTag, ValueError):
            raise HandshakeRefused("server_hello") from None
        verify_chain(chain, static, self._root_key, now)
        self.server_key = static
        message = proto.HandshakeMessage()
        message.clientFinish.static = transcript.seal(_public(self._static))
        transcript.mix_key(_agree(self._static, ephemeral))
        message.clientFinish.payload = transcript.seal(payload)
        return message.SerializeToString(), transcript.split()


class Resumption(Handshake):
    """A handshake with a server whose key was proven before: the first message carries it all.

    A server that has another key answers with that, and the same answer begins a full handshake.
    Raises `ValueError` where `server_key` is no key.
    """

    def __init__(
        self,
        static_private: bytes,
        root_key: bytes,
        server_key: bytes,
        *,
        ephemeral: bytes | None = None,
    ) -> None:
        super().__init__(static_private, root_key, ephemeral=ephemeral)
        self._expected = server_key
        self._transcript = _Transcript(_IK)
        self._transcript.mix_hash(server_key)
        self._transcript.mix_hash(_public(self._ephemeral))
        self._transcript.mix_key(_agree(self._ephemeral, server_key))

    def hello(self, payload: bytes) -> bytes:
        """The first message: an ephemeral key, and the static one and `payload` for the server."""
        message = proto.HandshakeMessage()
        message.clientHello.ephemeral = _public(self._ephemeral)
        message.clientHello.static = self._transcript.seal(_public(self._static))
        self._transcript.mix_key(_agree(self._static, self._expected))
        message.clientHello.payload = self._transcript.seal(payload)
        serialized: bytes = message.SerializeToString()
        return serialized

    def finish(self, answer: bytes, payload: bytes, now: float) -> tuple[bytes | None, Transport]:
        """See `Handshake.finish`; there is a last message only where the server has another key."""
        hello = _hello(answer)
        if hello.static:
            return self._exchange(_FALLBACK, hello, payload, now)
        try:
            ephemeral = bytes(hello.ephemeral)
            self._transcript.mix_hash(ephemeral)
            self._transcript.mix_key(_agree(self._ephemeral, ephemeral))
            self._transcript.mix_key(_agree(self._static, ephemeral))
            chain = self._transcript.open(bytes(hello.payload))
        except (InvalidTag, ValueError):
            raise HandshakeRefused("server_hello") from None
        verify_chain(chain, self._expected, self._root_key, now)
        self.server_key = self._expected
        return None, self._transcript.split()


def _hello(answer: bytes) -> Any:
    try:
        return parse(proto.HandshakeMessage, answer).serverHello
    except MalformedMessage:
        raise HandshakeRefused("server_hello") from None


def _public(private: X25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def _agree(private: X25519PrivateKey, public: bytes) -> bytes:
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def _derive(salt: bytes, secret: bytes) -> tuple[bytes, bytes]:
    output = HKDF(SHA256(), 64, salt, b"").derive(secret)
    return output[:32], output[32:]


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")


@dataclass(frozen=True, slots=True)
class Login:
    """Content of the handshake, and what it is checked by; keys are 32 bytes.

    `server_key` is the key that the server proved the last time, `routing` the server's own words
    of how to route the next connection. Without them everything works, a round trip later.
    """

    static_private: bytes = field(repr=False)
    root_key: bytes
    payload: bytes = field(repr=False)
    server_key: bytes | None = None
    routing: bytes | None = None

    def handshake(self) -> Handshake:
        """A full handshake, or a resumption where the server's key is known."""
        if self.server_key is not None:
            with contextlib.suppress(ValueError):
                return Resumption(self.static_private, self.root_key, self.server_key)
        return Handshake(self.static_private, self.root_key)
