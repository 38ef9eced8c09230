"""Which of the devices that the server lists get a message."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.native import key_index, signatures
from actors.connection.native.nodes import proto
from actors.connection.native.signal import new_key_pair

PHONE, STRANGER = new_key_pair(), new_key_pair()
INDEXES = {1: 4, 2: 5, 3: 9}


def listing(
    *, signer: tuple[bytes, bytes] = PHONE, embedded: bytes = b"", prefix: bytes = b"\x06\x02"
) -> bytes:
    """A list as a phone signs it: keys 5 and 7 count of those up to 8."""
    details = proto.ADVKeyIndexList(rawId=1, timestamp=2, currentIndex=8, validIndexes=[5, 7])
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
    assert key_index.vouched((0, 1, 2, 3, 4), INDEXES, signed, identity) == expected


def test_a_damaged_signature_counts_for_nothing() -> None:
    damaged: Any = proto.ADVSignedKeyIndexList.FromString(listing())
    damaged.accountSignature = (
        bytes([damaged.accountSignature[0] ^ 1]) + damaged.accountSignature[1:]
    )
    assert key_index.vouched((0, 2), INDEXES, damaged.SerializeToString(), PHONE[1]) == (0,)
