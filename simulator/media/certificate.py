"""Issues the TLS certificate of the media servers, under a certificate authority of the data directory."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

if TYPE_CHECKING:
    from pathlib import Path

_DAYS: Final = 3650


def certified(directory: Path, host: str) -> tuple[Path, Path]:
    """The authority's certificate, which clients have to trust, and the server's with its key.

    Both are PEM files in `directory`; they are made once and stay.
    """
    authority, server = directory / "media-authority.pem", directory / "media-server.pem"
    if authority.exists() and server.exists():
        return authority, server
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name.from_rfc4514_string("CN=Media authority of one simulator")
    ca = (
        _began(issuer, issuer, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, SHA256())
    )
    leaf = (
        _began(x509.Name.from_rfc4514_string(f"CN={host}"), issuer, key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server.touch(mode=0o600)
    server.write_bytes(private + leaf.public_bytes(Encoding.PEM))
    authority.write_bytes(ca.public_bytes(Encoding.PEM))
    return authority, server


def _began(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
    )
