"""A signature is one where the protocol library says so, which computes in Python."""

from __future__ import annotations

import os

import pytest
import xeddsa
from pywhats.signal.experimental import keys, sender_key
from pywhats.signal.experimental import xeddsa_verify as of_the_library

from simulator.wire import signature_check
from simulator.wire.protocol_library import IdentityKeyPair, xeddsa_verify

PAIR, MESSAGE = IdentityKeyPair.generate(), os.urandom(33)
SIGNATURE = PAIR.sign(MESSAGE)
PRIME = 2**255 - 19


def changed(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("public", "message", "signature", "good"),
    [
        pytest.param(PAIR.public, MESSAGE, SIGNATURE, True, id="good"),
        pytest.param(changed(PAIR.public, 31, 0x80), MESSAGE, SIGNATURE, True, id="unused bit"),
        pytest.param(PAIR.public, MESSAGE, changed(SIGNATURE, 63, 0x80), False, id="other sign"),
        pytest.param(PAIR.public, MESSAGE, changed(SIGNATURE, 63, 0x20), False, id="long scalar"),
        pytest.param(PAIR.public, MESSAGE, changed(SIGNATURE, 0, 1), False, id="other point"),
        pytest.param(PAIR.public, MESSAGE, changed(SIGNATURE, 40, 1), False, id="other scalar"),
        pytest.param(PAIR.public, MESSAGE + b"x", SIGNATURE, False, id="other message"),
        pytest.param(changed(PAIR.public, 3, 1), MESSAGE, SIGNATURE, False, id="other key"),
        pytest.param(PAIR.public, MESSAGE, SIGNATURE[:63], False, id="short"),
        pytest.param(PAIR.public[:31], MESSAGE, SIGNATURE, False, id="short key"),
        pytest.param(bytes(32), MESSAGE, SIGNATURE, False, id="zero"),
        pytest.param((PRIME - 1).to_bytes(32, "little"), MESSAGE, SIGNATURE, False, id="infinite"),
        pytest.param((PRIME + 9).to_bytes(32, "little"), MESSAGE, SIGNATURE, False, id="no key"),
    ],
)
def test_it_says_what_the_library_says(
    public: bytes, message: bytes, signature: bytes, good: bool
) -> None:
    assert signature_check.verify(public, message, signature) is good
    assert of_the_library(public, message, signature) is good


def test_keys_of_either_sign() -> None:
    """Libsignal signs with the key as it is, and writes its sign beside."""
    signs = set()
    for _ in range(24):
        pair = IdentityKeyPair.generate()
        sign = xeddsa.priv_to_ed25519_pub(pair.private)[31] & 0x80
        plain = xeddsa.ed25519_priv_sign(pair.private, MESSAGE)
        signature = plain[:63] + bytes([plain[63] | sign])
        assert signature_check.verify(pair.public, MESSAGE, signature)
        assert not signature_check.verify(pair.public, MESSAGE, changed(signature, 63, 0x80))
        signs.add(sign)
    assert signs == {0, 0x80}


def test_the_library_checks_by_it() -> None:
    assert xeddsa_verify is signature_check.verify
    assert keys.xeddsa_verify is sender_key.xeddsa_verify is signature_check.verify
