"""Verifies, as a client, the certificate chain by which WhatsApp's server proves its Noise key."""

from __future__ import annotations

from typing import Any, Final

from actors.connection.native.signal import signatures
from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

ROOT_SERIAL: Final = 0
CLOCK_SKEW: Final = 300
"""Seconds by which this host's clock may be wrong about a certificate's validity."""


class HandshakeRefused(Exception):  # noqa: N818 - reads as what it is
    """The server did not prove itself, or broke the protocol; `code` says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def verify_chain(chain: bytes, static: bytes, root_key: bytes, now: float) -> None:
    """Return when `chain` proves that `static` is the key of a WhatsApp server.

    The root signed the intermediate, the intermediate the leaf, each names its issuer's serial,
    the leaf holds exactly `static`, and both are valid at `now` (seconds since the epoch; a
    certificate without times is not bounded). Raises `HandshakeRefused` with the first check that
    fails.
    """
    try:
        certificates = parse(proto.CertChain, chain)
        issuer = parse(_DETAILS, bytes(certificates.intermediate.details))
        leaf = parse(_DETAILS, bytes(certificates.leaf.details))
    except MalformedMessage:
        raise HandshakeRefused("certificate_malformed") from None
    checks = (
        ("intermediate_signature", _signed(certificates.intermediate, root_key)),
        ("intermediate_issuer", issuer.issuerSerial == ROOT_SERIAL),
        ("leaf_signature", _signed(certificates.leaf, bytes(issuer.key))),
        ("leaf_issuer", leaf.issuerSerial == issuer.serial),
        ("leaf_key", len(static) == 32 and bytes(leaf.key) == static),
        ("certificate_not_yet_valid", _begun(issuer, now) and _begun(leaf, now)),
        ("certificate_expired", not _expired(issuer, now) and not _expired(leaf, now)),
    )
    for code, holds in checks:
        if not holds:
            raise HandshakeRefused(code)


_DETAILS: Any = proto.CertChain.NoiseCertificate.Details


def _signed(certificate: Any, key: bytes) -> bool:
    return signatures.verify(key, bytes(certificate.details), bytes(certificate.signature))


def _begun(details: Any, now: float) -> bool:
    return not details.HasField("notBefore") or now + CLOCK_SKEW >= details.notBefore


def _expired(details: Any, now: float) -> bool:
    return details.HasField("notAfter") and now - CLOCK_SKEW > details.notAfter
