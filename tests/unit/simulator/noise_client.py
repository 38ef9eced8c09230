"""A client's half of the Noise handshake, written from the specification for these tests."""

from __future__ import annotations

import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.wire.protocol_library import HandshakeMessage

PROLOGUE = b"WA\x06\x03"


def agree(private: X25519PrivateKey, public: bytes) -> bytes:
    return private.exchange(X25519PublicKey.from_public_bytes(public))


class NoiseClient:
    """Initiator of XX, IK and XXfallback; keeps the two transport keys when it is through."""

    def __init__(self, static: X25519PrivateKey) -> None:
        self.static = static
        self.ephemeral = X25519PrivateKey.generate()

    def _begin(self, pattern: str) -> None:
        name = pattern.encode()
        self.hash = name + bytes(32 - len(name)) if len(name) <= 32 else self._sha(name)
        self.chain, self.key, self.count = self.hash, b"", 0
        self._mix(PROLOGUE)

    @staticmethod
    def _sha(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    def _mix(self, data: bytes) -> None:
        self.hash = self._sha(self.hash + data)

    def _derive(self, secret: bytes) -> tuple[bytes, bytes]:
        out = HKDF(hashes.SHA256(), 64, self.chain, b"").derive(secret)
        return out[:32], out[32:]

    def _agree(self, secret: bytes) -> None:
        (self.chain, self.key), self.count = self._derive(secret), 0

    def _seal(self, data: bytes) -> bytes:
        nonce = bytes(8) + struct.pack(">I", self.count)
        sealed = AESGCM(self.key).encrypt(nonce, data, self.hash)
        self.count += 1
        self._mix(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        nonce = bytes(8) + struct.pack(">I", self.count)
        data = AESGCM(self.key).decrypt(nonce, sealed, self.hash)
        self.count += 1
        self._mix(sealed)
        return data

    def _public(self, private: X25519PrivateKey) -> bytes:
        return private.public_key().public_bytes_raw()

    def hello(self) -> bytes:
        self._begin("Noise_XX_25519_AESGCM_SHA256")
        self._mix(self._public(self.ephemeral))
        message = HandshakeMessage()
        message.client_hello.ephemeral = self._public(self.ephemeral)
        return bytes(message.SerializeToString())

    def resume(self, server_static: bytes, payload: bytes) -> bytes:
        self._begin("Noise_IK_25519_AESGCM_SHA256")
        self._mix(server_static)
        message = HandshakeMessage()
        message.client_hello.ephemeral = self._public(self.ephemeral)
        self._mix(self._public(self.ephemeral))
        self._agree(agree(self.ephemeral, server_static))
        message.client_hello.static = self._seal(self._public(self.static))
        self._agree(agree(self.static, server_static))
        message.client_hello.payload = self._seal(payload)
        return bytes(message.SerializeToString())

    def resumed(self, reply: bytes) -> bytes:
        """The server's certificate chain, from the answer to `resume`."""
        hello = HandshakeMessage.FromString(reply).server_hello
        self._mix(hello.ephemeral)
        self._agree(agree(self.ephemeral, hello.ephemeral))
        self._agree(agree(self.static, hello.ephemeral))
        chain = self._open(hello.payload)
        self.send_key, self.receive_key = self._derive(b"")
        return chain

    def fall_back(self) -> None:
        """The server answered `resume` with its static key: go on as XXfallback."""
        self._begin("Noise_XXfallback_25519_AESGCM_SHA256")
        self._mix(self._public(self.ephemeral))

    def finish(self, reply: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """The client finish, the server's static key, and its certificate chain."""
        hello = HandshakeMessage.FromString(reply).server_hello
        self._mix(hello.ephemeral)
        self._agree(agree(self.ephemeral, hello.ephemeral))
        server_static = self._open(hello.static)
        self._agree(agree(self.ephemeral, server_static))
        chain = self._open(hello.payload)
        message = HandshakeMessage()
        message.client_finish.static = self._seal(self._public(self.static))
        self._agree(agree(self.static, hello.ephemeral))
        message.client_finish.payload = self._seal(payload)
        self.send_key, self.receive_key = self._derive(b"")
        return bytes(message.SerializeToString()), server_static, chain
