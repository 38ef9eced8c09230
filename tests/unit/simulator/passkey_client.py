"""A client that pairs by a passkey, step by step; each step can be spoiled by a test.

The derivations are written a second time here, from whatsmeow's pair-passkey.go.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.wire.proto_schema import (
    CompanionEphemeralIdentity,
    EncryptedPairingRequest,
    PairingRequest,
    PrimaryEphemeralIdentity,
    ProloguePayload,
)
from simulator.wire.protocol_library import Node, bytes_of

if TYPE_CHECKING:
    from tests.unit.simulator.device import Device

CHROME = 1
_CODE = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "123456789ABCDEFGHJKLMNPQRSTVWXYZ")


def hkdf(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


class PasskeyClient:
    """Pairs `device`, whose QR was scanned by a phone that demands a passkey."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.key = X25519PrivateKey.generate()
        self.nonce = secrets.token_bytes(32)
        self.shown = device.secret
        self.code = ""

    async def options(self) -> dict[str, Any]:
        """Returns the request of the server."""
        told = await self.device.next("notification")
        assert told.attrs["type"] == "passkey_prologue_request"
        found: dict[str, Any] = json.loads(bytes_of(told, "passkey_request_options"))
        return found

    async def asked(self) -> dict[str, Any]:
        """The same, by a query."""
        answer = await self.device.query("md", "get", Node("passkey_request_options"))
        found: dict[str, Any] = json.loads(bytes_of(answer, "passkey_request_options"))
        return found

    async def prove(
        self, assertion: dict[str, Any], *, handoff: bytes | None = None, ref: str | None = None
    ) -> Any:
        """Sends the assertion and an ephemeral key; the server's answer.

        With `handoff`, the secret of a QR, also that the client showed it.
        """
        answer = await self.device.query("md", "get", Node("ref"))
        self.ref = bytes_of(answer, "ref").decode() if ref is None else ref
        identity = CompanionEphemeralIdentity(
            public_key=self.key.public_key().public_bytes_raw(), device_type=CHROME, ref=self.ref
        ).SerializeToString()
        payload = ProloguePayload(companion_ephemeral_identity=identity)
        payload.commitment.hash = hashlib.sha256(identity + self.nonce).digest()
        sealed = payload.SerializeToString()
        raw = assertion["rawId"]
        content = [
            Node("credential_id", {}, base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))),
            Node("webauthn_assertion", {}, json.dumps(assertion).encode()),
            Node("prologue_payload", {}, sealed),
        ]
        if handoff is not None:
            key = hkdf(handoff, None, b"shortcake-passkey-handoff-v1")
            proof = hmac.digest(key, sealed, "sha256")
            content.append(Node("pairing_handoff_proof", {}, proof))
        return await self.device.query("md", "set", Node("passkey_prologue", {}, content))

    async def compare(self) -> Any:
        """Takes the phone's key and tells the nonce; the server's answer. `code` is for a person."""
        told = await self.device.next("notification")
        assert told.attrs["type"] == "crsc_continuation"
        self.theirs = PrimaryEphemeralIdentity.FromString(
            bytes_of(told, "primary_ephemeral_identity")
        )
        digest = hashlib.sha256(self.nonce + self.theirs.public_key).digest()
        mixed = bytes(self.theirs.nonce[place] ^ digest[place] for place in range(5))
        text = base64.b32encode(mixed).decode().translate(_CODE)
        self.code = f"{text[:4]}-{text[4:]}"
        return await self.device.query("md", "set", Node("companion_nonce", {}, self.nonce))

    async def confirm(self, *, noise: bytes | None = None) -> Any:
        """Sends a new secret, sealed; the server's answer."""
        device = self.device
        device.secret = secrets.token_bytes(32)
        request = PairingRequest(
            companion_public_key=noise or device.noise.public_key().public_bytes_raw(),
            companion_identity_key=device.signal.identity.public,
            adv_secret=device.secret,
        )
        shared = self.key.exchange(X25519PublicKey.from_public_bytes(self.theirs.public_key))
        salt = f"Companion Pairing {CHROME} with ref {self.ref}".encode()
        key = hkdf(shared, salt, b"Pairing Information Encryption Key")
        iv = secrets.token_bytes(12)
        sealed = EncryptedPairingRequest(
            encrypted_payload=AESGCM(key).encrypt(iv, request.SerializeToString(), None), iv=iv
        )
        content = Node("encrypted_pairing_request", {}, sealed.SerializeToString())
        return await device.query("md", "set", content)
