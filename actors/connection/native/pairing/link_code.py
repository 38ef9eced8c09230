"""Computes the keys and stanzas of pairing by a code that a person types on the phone (pure).

Each side hides a fresh key under what it makes of the code, so that only a holder of the code agrees
on a secret with the other: no more is proven by it than that. The device then hands the phone, under
that secret, what both make the ADV secret of, which a QR would have carried; from there on it is the
pairing of `qr_pairing.py`. Names and lengths are those of WhatsApp's stanzas.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from actors.connection.native.pairing.qr_pairing import CLIENT_TYPE
from actors.connection.native.signal.signatures import raw
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.pairing.qr_pairing import Keys

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"
"""The characters of codes: no 0, I, O or U."""

STANZA: Final = "link_code_companion_reg"
DISPLAY: Final = b"Chrome (Linux)"
"""WhatsApp takes only `BROWSER (SYSTEM)` of those that it knows."""

_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_ALPHABET: Final = str.maketrans(_BASE32, ALPHABET)
_CODE, _SALT, _IV, _NONCE, _KEY = 5, 32, 16, 12, 32  # bytes
_ROUNDS: Final = 2 << 16


class UnusableCode(Exception):  # noqa: N818 - reads as what it is
    """The phone's half, or WhatsApp's, is not as it must be."""


@dataclass(frozen=True, slots=True)
class OpenCode:
    """A code that is open: `text` has eight characters, `private` is the key behind it."""

    text: str = field(repr=False)
    phone: str
    private: bytes = field(repr=False)
    ref: bytes = b""


@dataclass(frozen=True, slots=True)
class Finish:
    """The device's last word, and the ADV secret that both sides have from then on."""

    request: Node
    adv_secret: bytes = field(repr=False)


def new_code(draw: Callable[[int], bytes] = os.urandom) -> str:
    """Eight characters: 40 bits."""
    return base64.b32encode(draw(_CODE)).decode().translate(_TO_ALPHABET)


def shown(code: str) -> str:
    """As a person reads it, and the phone shows it."""
    return f"{code[:4]}-{code[4:]}"


def wrap(code: str, public: bytes, draw: Callable[[int], bytes] = os.urandom) -> bytes:
    """A public key under the code: 80 bytes. It takes hundredths of a second of processor time."""
    salt, iv = draw(_SALT), draw(_IV)
    return salt + iv + _under(code, salt, iv, public)


def unwrap(code: str, wrapped: bytes) -> bytes:
    """The public key under the code; another one, where it was put under another code.

    Takes as long as `wrap`. Raises `UnusableCode`.
    """
    if len(wrapped) != _SALT + _IV + _KEY:
        raise UnusableCode("wrapped_key")
    salt, iv, hidden = wrapped[:_SALT], wrapped[_SALT : _SALT + _IV], wrapped[_SALT + _IV :]
    return _under(code, salt, iv, hidden)


def hello(opened: OpenCode, wrapped: bytes, noise_public: bytes) -> Node:
    """The request that opens a code for a phone; its answer has the ref (`ref_of`)."""
    return _stage(
        opened.phone,
        "companion_hello",
        {"should_show_push_notification": "true"},
        Node("link_code_pairing_wrapped_companion_ephemeral_pub", {}, wrapped),
        Node("companion_server_auth_key_pub", {}, noise_public),
        Node("companion_platform_id", {}, CLIENT_TYPE.encode()),
        Node("companion_platform_display", {}, DISPLAY),
        Node("link_code_pairing_nonce", {}, b"\0"),
    )


def ref_of(stanza: Node) -> bytes:
    """The reference of a stanza's pairing attempt; empty where it has none."""
    about = stanza.child(STANZA)
    return b"" if about is None else about.bytes_of("link_code_pairing_ref")


def finish(
    opened: OpenCode, keys: Keys, stanza: Node, draw: Callable[[int], bytes] = os.urandom
) -> Finish:
    """The device's answer to the notification that the code was typed; as slow as `unwrap`.

    Whether the code was the right one shows on the phone alone, which cannot read the answer then.
    Raises `UnusableCode`.
    """
    about = stanza.child(STANZA) or Node(STANZA)
    phone_identity = raw(about.bytes_of("primary_identity_pub"))
    hidden = about.bytes_of("link_code_pairing_wrapped_primary_ephemeral_pub")
    shared = _agreed(opened.private, unwrap(opened.text, hidden))
    identities = _agreed(keys.identity_private, phone_identity)
    secret, salt, nonce = draw(_KEY), draw(_SALT), draw(_NONCE)
    bundle_key = _derived(shared, salt, b"link_code_pairing_key_bundle_encryption_key")
    bundle = AESGCM(bundle_key).encrypt(nonce, keys.identity_public + phone_identity + secret, None)
    request = _stage(
        opened.phone,
        "companion_finish",
        {},
        Node("link_code_pairing_wrapped_key_bundle", {}, salt + nonce + bundle),
        Node("companion_identity_public", {}, keys.identity_public),
        Node("link_code_pairing_ref", {}, opened.ref),
    )
    return Finish(request, _derived(shared + identities + secret, None, b"adv_secret"))


def _stage(phone: str, stage: str, more: dict[str, str], *parts: Node) -> Node:
    return iq("set", "md", (Node(STANZA, {"jid": phone, "stage": stage, **more}, parts),))


def _under(code: str, salt: bytes, iv: bytes, key: bytes) -> bytes:
    derived = PBKDF2HMAC(SHA256(), _KEY, salt, _ROUNDS).derive(code.encode())
    cipher = Cipher(AES256(derived), CTR(iv)).encryptor()
    return cipher.update(key) + cipher.finalize()


def _agreed(private: bytes, public: bytes) -> bytes:
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(key)
    except ValueError:  # of a wrong length, or one that agrees on nothing
        raise UnusableCode("key") from None


def _derived(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), _KEY, salt, info).derive(secret)
