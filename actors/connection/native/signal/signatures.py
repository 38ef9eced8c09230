"""Creates and verifies XEdDSA signatures with Curve25519 keys, in libsignal's form."""

from __future__ import annotations

import xeddsa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_TYPE = b"\x05"
"""The byte that libsignal puts before a Curve25519 public key (DJB type)."""


def sign(private: bytes, message: bytes) -> bytes:
    """A signature of 64 bytes by a Curve25519 private key."""
    # With the sign of the Edwards key forced to zero the signature needs no sign bit, so that
    # strict XEdDSA and libsignal's older form both accept it.
    return xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(private, False), message)


def verify(public: bytes, message: bytes | memoryview, signature: bytes) -> bool:
    """Whether `signature` is one by the owner of the Curve25519 `public` key (32 bytes).

    False for keys and signatures of a wrong length, too. libsignal keeps the sign of the Edwards
    key in the signature's highest bit. The message is not copied, as `xeddsa` would copy it.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    sign_bit = bool(signature[63] & 0x80)
    plain = signature[:63] + bytes([signature[63] & 0x7F])
    try:
        edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, sign_bit)
        Ed25519PublicKey.from_public_bytes(edwards).verify(plain, message)
    except (xeddsa.XEdDSAException, ValueError, InvalidSignature):
        return False
    return True


def raw(public: bytes) -> bytes:
    """The key's 32 bytes, where it comes with its type before them; bytes that are no key stay."""
    return public[1:] if len(public) == 33 and public[:1] == KEY_TYPE else public
