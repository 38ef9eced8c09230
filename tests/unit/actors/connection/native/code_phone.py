"""The account's phone, on which a code is typed: its half of the protocol, by other means.

Its key derivation is written out here, so that the device and the phone share no more than what
the protocol says.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from actors.connection.native.signal import signatures
from actors.connection.protocol.wire_format.nodes import Node, proto

REF = b"ref-of-the-server"
NUMBER = "15550100001"


class CodePhone:
    """Types `code`; `hello` is what the server passed on of the device's first request."""

    def __init__(self, code: str, hello: Node) -> None:
        self.identity = X25519PrivateKey.generate()
        self._ephemeral = X25519PrivateKey.generate()
        self._code = code.replace("-", "")
        wrapped = part(hello, "link_code_pairing_wrapped_companion_ephemeral_pub")
        self._device_ephemeral = ctr(self._code, wrapped)
        self.adv_secret = b""

    def hello(self, ref: bytes = REF) -> Node:
        """Returns the server's notification to the device once the code was typed."""
        salt, iv = os.urandom(32), os.urandom(16)
        hidden = ctr(self._code, salt + iv + public(self._ephemeral))
        return notification(
            "primary_hello",
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, salt + iv + hidden),
            Node("primary_identity_pub", {}, public(self.identity)),
            Node("link_code_pairing_ref", {}, ref),
        )

    def finish(self, request: Node) -> bytes:
        """Read the device's last word; its identity key. Raises InvalidTag for a wrong code."""
        bundle = part(request, "link_code_pairing_wrapped_key_bundle")
        shared = self._ephemeral.exchange(X25519PublicKey.from_public_bytes(self._device_ephemeral))
        key = hkdf(shared, bundle[:32], b"link_code_pairing_key_bundle_encryption_key")
        opened = AESGCM(key).decrypt(bundle[32:44], bundle[44:], b"")
        device, own, secret = opened[:32], opened[32:64], opened[64:]
        assert own == public(self.identity)
        assert device == part(request, "companion_identity_public")
        identities = self.identity.exchange(X25519PublicKey.from_public_bytes(device))
        self.adv_secret = hkdf(shared + identities + secret, bytes(32), b"adv_secret")
        return device

    def success(self, device: bytes, secret: bytes | None = None) -> Node:
        """The proof that the phone signed the device's identity, sealed with the secret."""
        details = proto.ADVDeviceIdentity(rawId=1, timestamp=2, keyIndex=4).SerializeToString()
        signed: Any = proto.ADVSignedDeviceIdentity(details=details)
        signed.accountSignatureKey = public(self.identity)
        private = self.identity.private_bytes_raw()
        signed.accountSignature = signatures.sign(private, b"\x06\x00" + details + device)
        sealed = proto.ADVSignedDeviceIdentityHMAC(details=signed.SerializeToString())
        sealed.hmac = hmac.digest(secret or self.adv_secret, sealed.details, "sha256")
        parts = (
            Node("device-identity", {}, sealed.SerializeToString()),
            Node("device", {"jid": f"{NUMBER}:4@s.whatsapp.net"}),
            Node("platform", {"name": "android"}),
        )
        return Node("iq", {"id": "7", "type": "set"}, (Node("pair-success", {}, parts),))


def notification(stage: str, *parts: Node) -> Node:
    """Returns a notification of the server about a code."""
    attrs = {"id": "9", "type": "link_code_companion_reg", "from": "@s.whatsapp.net"}
    return Node("notification", attrs, (Node("link_code_companion_reg", {"stage": stage}, parts),))


def part(stanza: Node, tag: str) -> bytes:
    """The bytes of a part of a stanza about a code."""
    about = stanza.child("link_code_companion_reg")
    assert about is not None
    return about.bytes_of(tag)


def public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def ctr(code: str, wrapped: bytes) -> bytes:
    """Encrypts or decrypts a key under the code; `wrapped` is salt, IV and the key."""
    salt, iv, hidden = wrapped[:32], wrapped[32:48], wrapped[48:]
    key = PBKDF2HMAC(SHA256(), 32, salt, 131_072).derive(code.encode())
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).decryptor()
    return cipher.update(hidden) + cipher.finalize()


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869, one block of SHA-256."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
