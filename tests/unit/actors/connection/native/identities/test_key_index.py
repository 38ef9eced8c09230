"""Which of the devices that the server lists get a message."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.native.identities import key_index
from actors.connection.native.signal import signatures
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.protocol.wire_format.nodes import proto

PHONE, STRANGER = new_key_pair(), new_key_pair()
INDEXES = {1: 4, 2: 5, 3: 9}


def listing(
    *,
    signer: tuple[bytes, bytes] = PHONE,
    embedded: bytes = b"",
    prefix: bytes = b"\x06\x02",
    at: int = 2,
    valid: tuple[int, ...] = (5, 7),
) -> bytes:
    """A list as a phone signs it: keys 5 and 7 count of those up to 8."""
    details = proto.ADVKeyIndexList(rawId=1, timestamp=at, currentIndex=8, validIndexes=valid)
    envelope = proto.ADVSignedKeyIndexList(details=details.SerializeToString())
    envelope.accountSignature = signatures.sign(signer[0], prefix + envelope.details)
    if embedded:
        envelope.accountSignatureKey = embedded
    serialized: bytes = envelope.SerializeToString()
    return serialized


@pytest.mark.parametrize(
    ("signed", "identity", "expected"),
    [
        pytest.param(listing(), PHONE[1], (0, 2, 3), id="unlinked 1, newer 3"),
        pytest.param(b"", PHONE[1], (0, 1, 2, 3, 4), id="no list"),
        pytest.param(listing(), None, (0, 2, 3), id="a stranger's first list"),
        pytest.param(listing(embedded=PHONE[1]), None, (0, 2, 3), id="with its key"),
        pytest.param(listing(embedded=b"\x05" + PHONE[1]), None, (0, 2, 3), id="typed key"),
        pytest.param(listing(embedded=STRANGER[1]), None, (0,), id="not by the key in it"),
        pytest.param(listing(signer=STRANGER), PHONE[1], (0,), id="by somebody else"),
        pytest.param(
            listing(signer=STRANGER, embedded=STRANGER[1]), PHONE[1], (0,), id="by another phone"
        ),
        pytest.param(listing(prefix=b"\x06\x00"), PHONE[1], (0,), id="signed as something else"),
        pytest.param(b"\xff", PHONE[1], (0,), id="no list at all"),
    ],
)
def test_the_phone_says_who_counts(
    signed: bytes, identity: bytes | None, expected: tuple[int, ...]
) -> None:
    """Device 4 has no key index: nobody vouches for it."""
    assert key_index.vouched((0, 1, 2, 3, 4), INDEXES, signed, identity).devices == expected


def test_a_damaged_signature_counts_for_nothing() -> None:
    damaged: Any = proto.ADVSignedKeyIndexList.FromString(listing())
    damaged.accountSignature = (
        bytes([damaged.accountSignature[0] ^ 1]) + damaged.accountSignature[1:]
    )
    found = key_index.vouched((0, 2), INDEXES, damaged.SerializeToString(), PHONE[1])
    assert found == ((0,), b"")


BEFORE, NOW, LATER = listing(at=1, valid=(4, 5)), listing(at=2), listing(at=3, valid=(4,))
MOVED = listing(signer=STRANGER, at=1, valid=(4,))


@pytest.mark.parametrize(
    ("signed", "identity", "expected", "believed"),
    [
        pytest.param(BEFORE, PHONE[1], (0, 2, 3), NOW, id="older"),
        pytest.param(BEFORE, None, (0, 2, 3), NOW, id="older, of an identity that is asked anew"),
        pytest.param(b"", PHONE[1], (0, 2, 3), NOW, id="none any more"),
        pytest.param(NOW, PHONE[1], (0, 2, 3), NOW, id="the same"),
        pytest.param(LATER, PHONE[1], (0, 1, 3), LATER, id="newer"),
        pytest.param(b"\xff", PHONE[1], (0,), NOW, id="no list at all"),
        pytest.param(MOVED, PHONE[1], (0,), NOW, id="by somebody else"),
        pytest.param(MOVED, STRANGER[1], (0, 1, 3), MOVED, id="another installation's"),
        pytest.param(b"", STRANGER[1], (0, 1, 2, 3), b"", id="another installation, no list"),
    ],
)
def test_an_older_list_brings_no_device_back(
    signed: bytes, identity: bytes | None, expected: tuple[int, ...], believed: bytes
) -> None:
    """Device 1 was unlinked since, and the server has the list from before still."""
    found = key_index.vouched((0, 1, 2, 3), INDEXES, signed, identity, NOW)
    assert found == (expected, believed)
