"""Sender keys: against an implementation that shares no code with them, and what they refuse."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal import sender_keys
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.envelope import Malformed, blob_field, number_field
from actors.connection.native.signal.ratchet import Undecryptable
from actors.connection.native.signal.sender_keys import (
    Distribution,
    GroupMessage,
    OwnSenderKey,
    SenderKey,
)
from tests.unit.actors.connection.native.test_signal_interop import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Made by pyaileys 0.1.5: its distribution at the beginning of a chain, and its third
# message, of iteration 4: it leaves every other key out.
HANDED = bytes.fromhex(
    "33089382810110001a20d6b4dc5c2c55c385475cd9229207d7369c422dc0070f47fa4d4440271cac"
    "9ce82221052487e101857c5eba3c7f4ad28facd093f9c63de9afabf85c20a2f1343116880c"
)
THIRD = bytes.fromhex(
    "33089382810110041a1056e8830ae3af4970e2f75ff3d03c34ce009a8bdc99ffd27b76830f63538d"
    "ddeda64d0028d7af6816e94a3ce1becea5f2a2bdc9b3b67e736c60ed4158e59f1712b3d56dd495de"
    "9d49258c668501628c81"
)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer("pywhats") as started:
        yield started


def made() -> tuple[OwnSenderKey, SenderKey]:
    """A key, and what a device has of it to which it was handed."""
    own = OwnSenderKey.make(new_key_pair())
    return own, SenderKey.of(Distribution.decode(own.distribution.encode()))


def said(own: OwnSenderKey, count: int) -> list[GroupMessage]:
    """So many messages, each with its number as plaintext."""
    messages = []
    for number in range(count):
        message, own = own.encrypt(str(number).encode())
        messages.append(GroupMessage.decode(message))
    return messages


def test_reads_what_another_implementation_wrote() -> None:
    key = SenderKey.of(Distribution.decode(HANDED))
    plaintext, after = key.decrypt(GroupMessage.decode(THIRD))
    assert (plaintext, after.iteration) == (b"message 2", 5)


def test_reads_what_a_peer_writes(peer: Peer) -> None:
    handed = bytes.fromhex(peer.ask("make_key", key_id=77)["handed"])
    key = SenderKey.of(Distribution.decode(handed))
    for number in range(3):
        plaintext = b"x" * (number * 16)
        data = bytes.fromhex(peer.ask("group_encrypt", plaintext=plaintext.hex())["data"])
        found, key = key.decrypt(GroupMessage.decode(data))
        assert found == plaintext


def test_a_peer_reads_what_is_written_from_where_it_was_told(peer: Peer) -> None:
    own, _ = made()
    _, own = own.encrypt(b"before")
    handed = own.distribution.encode().hex()
    assert peer.ask("take_key", handed=handed)["key_id"] == own.key_id
    for number in range(3):
        message, own = own.encrypt(f"after {number}".encode())
        found = peer.ask("group_decrypt", data=message.hex())["plaintext"]
        assert bytes.fromhex(found) == f"after {number}".encode()


def test_reads_in_any_order_each_once() -> None:
    own, key = made()
    messages = said(own, 20)
    shuffled = list(range(20))
    random.Random(7).shuffle(shuffled)
    for number in shuffled:
        plaintext, key = key.decrypt(messages[number])
        assert plaintext == str(number).encode()
    assert key.skipped == b""
    for message in messages:
        with pytest.raises(Undecryptable) as refused:
            key.decrypt(message)
        assert refused.value.reason == "old_counter"


def test_keeps_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_keys, "MAX_SKIPPED", 3)
    own, key = made()
    messages = said(own, 11)
    _, key = key.decrypt(messages[10])
    with pytest.raises(Undecryptable, match="old_counter"):
        key.decrypt(messages[6])
    assert key.decrypt(messages[7])[0] == b"7"


def test_does_not_follow_a_chain_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_keys, "MAX_JUMP", 3)
    own, key = made()
    messages = said(own, 5)
    with pytest.raises(Undecryptable, match="too_far"):
        key.decrypt(messages[4])
    assert key.decrypt(messages[3])[0] == b"3"


def test_believes_its_sender_alone() -> None:
    own, key = made()
    _, other = made()
    message, _ = own.encrypt(b"mine")
    altered = bytearray(message)
    altered[-70] ^= 1  # in the ciphertext
    with pytest.raises(Undecryptable, match="bad_signature"):
        key.decrypt(GroupMessage.decode(bytes(altered)))
    with pytest.raises(Undecryptable, match="bad_signature"):
        other.decrypt(GroupMessage.decode(message))
    assert key.decrypt(GroupMessage.decode(message))[0] == b"mine"


def test_a_key_handed_over_late_reads_nothing_before() -> None:
    own, _ = made()
    first, own = own.encrypt(b"before")
    late = SenderKey.of(own.distribution)
    with pytest.raises(Undecryptable, match="old_counter"):
        late.decrypt(GroupMessage.decode(first))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x33",
        b"\x32" + HANDED[1:],
        HANDED[:-1],
        HANDED + HANDED[1:],
        b"\x33" + number_field(1, 1) + blob_field(3, bytes(31)) + HANDED[-35:],
        b"\x33" + number_field(2, 0xFFFF_FFFF) + blob_field(3, bytes(32)) + HANDED[-35:],
        b"\x33" + blob_field(3, bytes(32)) + blob_field(4, bytes(33)),
    ],
)
def test_refuses_what_is_no_distribution(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Distribution.decode(raw)


@pytest.mark.parametrize("raw", [b"", b"\x33", THIRD[:64], b"\x32" + THIRD[1:], THIRD[-70:]])
def test_refuses_what_is_no_message(raw: bytes) -> None:
    with pytest.raises(Malformed):
        GroupMessage.decode(raw)
