"""Computes the phone's keys in a pairing by code: ephemeral keys wrapped under the code, and the ADV secret.

The code wraps an ephemeral key of either side; from the two the client's bundle is opened, and from
that and both identities the secret is derived under which the phone sends its signature. Lengths,
labels and the count of iterations are those of whatsmeow `pair-code.go` and WhatsApp Web's
`WAWebAltDeviceLinkingAlgorithm`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY: Final = 32
_SALT: Final = 32
_COUNTER: Final = 16
_NONCE: Final = 12
_TAG: Final = 16
WRAPPED: Final = _SALT + _COUNTER + _KEY
"""Bytes of an ephemeral key under a code: salt, first counter block, and the key itself."""
BUNDLE: Final = _SALT + _NONCE + 3 * _KEY + _TAG
"""Bytes of the client's bundle: salt, nonce, and both identities with a random part, sealed."""
_ITERATIONS: Final = 1 << 17


class WrongCodeError(Exception):
    """The entered code differs from the one of the client."""


@dataclass(frozen=True)
class PrimaryHello:
    """The phone's ephemeral key, wrapped under the code, and the secret shared with the client."""

    wrapped: bytes
    shared: bytes


def primary_hello(code: str, wrapped: bytes) -> PrimaryHello:
    """Returns the phone's answer to a client's ephemeral key, which was `wrapped` under the code.

    A wrong code is not detected yet: it unwraps to random bytes. The key derivation takes hundredths of
    a second on purpose. Raises WrongCodeError for the rare bytes that are no key.
    """
    theirs = _crypted(code, wrapped[:_SALT], wrapped[_SALT:-_KEY], wrapped[-_KEY:])
    ephemeral = X25519PrivateKey.generate()
    salt, counter = os.urandom(_SALT), os.urandom(_COUNTER)
    mine = _crypted(code, salt, counter, ephemeral.public_key().public_bytes_raw())
    return PrimaryHello(salt + counter + mine, _agreed(ephemeral, theirs))


def adv_secret(shared: bytes, phone: Any, companion: bytes, bundle: bytes) -> bytes:
    """Returns the ADV secret of phone and client.

    `phone` is its identity key pair, `companion` the client's identity, `bundle` what the client
    sealed under `shared`. Raises WrongCodeError when it does not decrypt, or has other
    identities.
    """
    salt, nonce, sealed = bundle[:_SALT], bundle[_SALT:][:_NONCE], bundle[_SALT + _NONCE :]
    key = _derived(shared, salt, b"link_code_pairing_key_bundle_encryption_key")
    try:
        opened = AESGCM(key).decrypt(nonce, sealed, None)
    except InvalidTag:
        raise WrongCodeError from None
    if opened[:-_KEY] != companion + phone.public:
        raise WrongCodeError
    own = X25519PrivateKey.from_private_bytes(phone.private)
    return _derived(shared + _agreed(own, companion) + opened[-_KEY:], None, b"adv_secret")


def _crypted(code: str, salt: bytes, counter: bytes, key: bytes) -> bytes:
    """Wraps or unwraps a key under the code: both are the same operation."""
    secret = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, _ITERATIONS, _KEY)
    cipher = Cipher(algorithms.AES(secret), modes.CTR(counter)).encryptor()
    return cipher.update(key) + cipher.finalize()


def _agreed(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise WrongCodeError from None


def _derived(secret: bytes, salt: bytes | None, label: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY, salt, label).derive(secret)
