from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyaileys.crypto.curve import DefaultCurve25519Provider

from actors.connection.native.signal import signatures


def test_signatures_that_others_read_and_write() -> None:
    other = DefaultCurve25519Provider()
    for _ in range(8):  # both signs of the Edwards key occur
        private = X25519PrivateKey.generate()
        secret, public = private.private_bytes_raw(), private.public_key().public_bytes_raw()
        message = os.urandom(50)
        assert other.verify(public, message, signatures.sign(secret, message))
        assert signatures.verify(public, message, other.sign(secret, message))
        assert not signatures.verify(public, message + b"!", signatures.sign(secret, message))


@pytest.mark.parametrize(("key", "signature"), [(0, 64), (31, 64), (33, 64), (32, 63), (32, 0)])
def test_wrong_lengths_are_false(key: int, signature: int) -> None:
    assert not signatures.verify(bytes(key), b"message", bytes(signature))
