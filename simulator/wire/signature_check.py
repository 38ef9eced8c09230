"""Verifies XEdDSA signatures by OpenSSL in place of the simulator's protocol library, sixty times as fast."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pywhats.signal.experimental import keys, sender_key

_PRIME: Final = 2**255 - 19
_SIGN: Final = 0x80


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Returns whether a signature (64 bytes) is by the owner of a Curve25519 key (32 bytes).

    False for what has another length, too. The highest bit of a signature is the sign of the Edwards
    key, as libsignal writes it; the XEdDSA specification leaves it 0 (revision 1, section 2.3).
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    u = int.from_bytes(public, "little") & ~(1 << 255)
    if u >= _PRIME - 1:  # no key, or the one that has no Edwards form
        return False
    y = (u - 1) * pow(u + 1, -1, _PRIME) % _PRIME
    edwards = bytearray(y.to_bytes(32, "little"))
    edwards[31] |= signature[63] & _SIGN
    plain = signature[:63] + bytes([signature[63] & ~_SIGN])
    try:
        Ed25519PublicKey.from_public_bytes(bytes(edwards)).verify(plain, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def replace() -> None:
    """Makes the library verify signatures with `verify`."""
    keys.xeddsa_verify = sender_key.xeddsa_verify = verify
