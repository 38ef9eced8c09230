"""Issues, as the server, the Noise certificate chain that clients verify with the root key.

Root key → intermediate → leaf, each link an XEdDSA signature over the serialized details of the
next. The leaf's key is the server's Noise static key; serials link issuer and issued, the root's
being 0 (whatsmeow `handshake.go`, WACert.proto).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from simulator.wire.proto_schema import CertChain, CertificateDetails
from simulator.wire.protocol_library import xeddsa_sign

_VALID_BEFORE: Final = 3600.0
_VALID_AFTER: Final = 90 * 86400.0
_INTERMEDIATE_SERIAL: Final = 7
_LEAF_SERIAL: Final = 8


def new_private_key() -> bytes:
    """A fresh X25519 private key, 32 bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> bytes:
    """The X25519 public key of a private one, 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@dataclass(frozen=True)
class ServerIdentity:
    """The server's identity in the Noise handshake: its static key and the certificate chain."""

    static_private: bytes
    static_public: bytes
    chain: bytes


def issue(root_private: bytes, static_private: bytes, now: float | None = None) -> ServerIdentity:
    """Issues a chain for `static_private` under the root, from an hour ago until 90 days from `now`.

    `now` is in seconds since the epoch; the intermediate's private key is not stored.
    """
    moment = time.time() if now is None else now
    span = {
        "not_before": int(moment - _VALID_BEFORE),
        "not_after": int(moment + _VALID_AFTER),
    }
    intermediate_private = new_private_key()
    static_public = public_key(static_private)
    chain = CertChain()
    chain.intermediate.details = CertificateDetails(
        serial=_INTERMEDIATE_SERIAL, issuer_serial=0, key=public_key(intermediate_private), **span
    ).SerializeToString()
    chain.intermediate.signature = xeddsa_sign(root_private, chain.intermediate.details)
    chain.leaf.details = CertificateDetails(
        serial=_LEAF_SERIAL, issuer_serial=_INTERMEDIATE_SERIAL, key=static_public, **span
    ).SerializeToString()
    chain.leaf.signature = xeddsa_sign(intermediate_private, chain.leaf.details)
    return ServerIdentity(static_private, static_public, chain.SerializeToString())
