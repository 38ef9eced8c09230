"""Computes the keys in a pairing by passkey: the account's WebAuthn key, and keys that phone and client agree.

Labels, lengths and the alphabet of the code are those of whatsmeow, pair-passkey.go.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.wire.proto_schema import EncryptedPairingRequest, PairingRequest

if TYPE_CHECKING:
    from simulator.store import Store

RP_ID: Final = "web.whatsapp.com"
ORIGIN: Final = f"https://{RP_ID}"
_PRESENT_AND_VERIFIED: Final = b"\x05"
_CODE: Final = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Passkey:
    """The passkey of one account, created at first use and then stored."""

    def __init__(self, store: Store, number: str) -> None:
        self.credential = store.secret(f"passkey_id:{number}", lambda: secrets.token_bytes(32))
        private = store.secret(f"passkey:{number}", lambda: secrets.token_bytes(31))
        self._key = ec.derive_private_key(int.from_bytes(private, "big") + 1, ec.SECP256R1())

    def assertion(self, challenge: bytes) -> dict[str, Any]:
        """Returns the assertion of an authenticator with the passkey, in WebAuthn's JSON."""
        client = {"type": "webauthn.get", "challenge": written(challenge), "origin": ORIGIN}
        client_data = json.dumps(client).encode()
        data = hashlib.sha256(RP_ID.encode()).digest() + _PRESENT_AND_VERIFIED + bytes(4)
        signed = data + hashlib.sha256(client_data).digest()
        return {
            "id": written(self.credential),
            "rawId": written(self.credential),
            "type": "public-key",
            "response": {
                "clientDataJSON": written(client_data),
                "authenticatorData": written(data),
                "signature": written(self._key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                "userHandle": None,
            },
        }

    def proves(self, assertion: bytes, challenge: bytes) -> bool:
        """Returns whether an assertion (WebAuthn's JSON) is by this passkey and for this challenge."""
        try:
            answer = json.loads(assertion)
            response = answer["response"]
            client_data, data, signature = (
                read(response[name])
                for name in ("clientDataJSON", "authenticatorData", "signature")
            )
            client = json.loads(client_data)
            claims = (read(answer["rawId"]), client["type"], read(client["challenge"]))
            signed = data + hashlib.sha256(client_data).digest()
            self._key.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            return False
        rp_id, flags = data[:32], data[32] if len(data) > 32 else 0
        return (
            claims == (self.credential, "webauthn.get", challenge)
            and client.get("origin") == ORIGIN
            and rp_id == hashlib.sha256(RP_ID.encode()).digest()
            and flags & _PRESENT_AND_VERIFIED[0] == _PRESENT_AND_VERIFIED[0]
        )


def handoff_proof(secret: bytes, prologue: bytes) -> bytes:
    """Returns a client's proof that it showed the QR with this secret."""
    return hmac.digest(_derived(secret, b"", b"shortcake-passkey-handoff-v1"), prologue, "sha256")


def commitment(identity: bytes, nonce: bytes) -> bytes:
    """Returns the hash by which a client commits itself to a nonce that it reveals later."""
    return hashlib.sha256(identity + nonce).digest()


def code_of(companion_nonce: bytes, primary_key: bytes, primary_nonce: bytes) -> str:
    """Returns the code that phone and client show for a comparison: ``XXXX-XXXX``."""
    digest = hashlib.sha256(companion_nonce + primary_key).digest()
    mixed = bytes(one ^ other for one, other in zip(primary_nonce[:5], digest[:5], strict=True))
    text = base64.b32encode(mixed).decode().translate(str.maketrans(_BASE32, _CODE))
    return f"{text[:4]}-{text[4:]}"


def pairing_key(mine: X25519PrivateKey, theirs: bytes, device_type: int, ref: str) -> bytes:
    """Returns the key under which the client sends its secret. Raises ValueError for an invalid public key."""
    shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs))
    salt = f"Companion Pairing {device_type} with ref {ref}".encode()
    return _derived(shared, salt, b"Pairing Information Encryption Key")


def opened(key: bytes, sealed: bytes) -> Any:
    """Decrypts the client's `PairingRequest`. Raises ValueError where the key does not fit."""
    try:
        request = EncryptedPairingRequest.FromString(sealed)
        plain = AESGCM(key).decrypt(request.iv, request.encrypted_payload, None)
        return PairingRequest.FromString(plain)
    except InvalidTag as error:
        raise ValueError("sealed under another key") from error
    except Exception as error:
        raise ValueError("malformed") from error


def written(value: bytes) -> str:
    """Encodes bytes as unpadded URL-safe Base64, WebAuthn's form in JSON."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def read(text: str) -> bytes:
    """Reverse of `written`. Raises ValueError for invalid Base64."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _derived(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt or None, info).derive(secret)
