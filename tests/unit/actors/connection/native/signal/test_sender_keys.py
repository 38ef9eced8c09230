"""Sender keys: against an implementation that shares no code with them, and what they refuse."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal import sender_keys
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import GroupKeys
from actors.connection.native.signal.sender_keys import Distribution, GroupMessage, OwnSenderKey
from actors.connection.native.signal.signal_messages import (
    MalformedSignalMessage,
    blob_field,
    number_field,
)
from actors.connection.protocol.decryption_errors import Undecryptable
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session.identities import skipped_keys
from actors.connection.session.session import Session
from tests.unit.actors.connection.native.test_signal_interop import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = "120363000000000001@g.us"
MEMBER = "15550100002@s.whatsapp.net"

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


class Device:
    """A device that a member's key was handed to."""

    def __init__(self, path: Path) -> None:
        self.session = Session.open(path, 1)
        self.keys = GroupKeys(self.session)

    async def take(self, handed: Distribution) -> None:
        message = proto.Message()
        message.senderKeyDistributionMessage.groupId = GROUP
        raw = handed.encode()
        message.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = raw
        async with self.session.transaction():
            self.keys.take(GROUP, MEMBER, message.SerializeToString())

    async def decrypt(self, message: bytes) -> bytes:
        self.keys.prepare(GROUP, MEMBER, message)
        async with self.session.transaction():
            return self.keys.decrypt(GROUP, MEMBER, message)

    async def refuses(self, message: bytes, reason: str) -> None:
        """Refused for this reason, and nothing changed."""
        before = self.content()
        with pytest.raises(Undecryptable) as refused:
            await self.decrypt(message)
        assert refused.value.reason == reason
        assert self.content() == before

    def content(self) -> list[list[object]]:
        tables = ("sender_keys", "skipped_sender_keys")
        return [self.session.rows(f"SELECT * FROM {name}") for name in tables]

    def kept(self) -> int:
        """The number of keys for messages that may still come."""
        ((noted,),) = self.session.rows("SELECT sum(kept) FROM sender_keys")
        ((kept,),) = self.session.rows("SELECT count(*) FROM skipped_sender_keys")
        assert noted == kept
        return int(kept)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "session.db")
    yield made
    made.session.close()


def made() -> OwnSenderKey:
    return OwnSenderKey.make(new_key_pair())


def said(own: OwnSenderKey, count: int) -> tuple[list[bytes], OwnSenderKey]:
    """So many messages, each with its number as plaintext, and the key from then on."""
    messages = []
    for number in range(count):
        message, own = own.encrypt(str(number).encode())
        messages.append(message)
    return messages, own


async def test_reads_what_another_implementation_wrote(device: Device) -> None:
    await device.take(Distribution.decode(HANDED))
    assert await device.decrypt(THIRD) == b"message 2"
    assert device.kept() == 4


async def test_reads_what_a_peer_writes(peer: Peer, device: Device) -> None:
    handed = bytes.fromhex(peer.ask("make_key", key_id=77)["handed"])
    await device.take(Distribution.decode(handed))
    for number in range(3):
        plaintext = b"x" * (number * 16)
        data = bytes.fromhex(peer.ask("group_encrypt", plaintext=plaintext.hex())["data"])
        assert await device.decrypt(data) == plaintext


def test_a_peer_reads_messages_from_its_distribution_on(peer: Peer) -> None:
    _, own = made().encrypt(b"before")
    handed = own.distribution.encode().hex()
    assert peer.ask("take_key", handed=handed)["key_id"] == own.key_id
    for number in range(3):
        message, own = own.encrypt(f"after {number}".encode())
        found = peer.ask("group_decrypt", data=message.hex())["plaintext"]
        assert bytes.fromhex(found) == f"after {number}".encode()


async def test_reads_in_any_order_each_once(device: Device) -> None:
    own = made()
    await device.take(own.distribution)
    messages, _ = said(own, 20)
    shuffled = list(range(20))
    random.Random(7).shuffle(shuffled)
    for number in shuffled:
        assert await device.decrypt(messages[number]) == str(number).encode()
    assert device.kept() == 0
    for message in messages:
        await device.refuses(message, "old_counter")


async def test_keeps_a_bounded_number_of_keys(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipped_keys, "MAX_SKIPPED", 3)
    own = made()
    await device.take(own.distribution)
    messages, _ = said(own, 11)
    await device.decrypt(messages[10])
    assert device.kept() == 3
    await device.refuses(messages[6], "old_counter")
    assert await device.decrypt(messages[7]) == b"7"


async def test_does_not_follow_a_chain_too_far(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_keys, "MAX_JUMP", 3)
    own = made()
    await device.take(own.distribution)
    messages, _ = said(own, 5)
    await device.refuses(messages[4], "too_far")
    assert await device.decrypt(messages[3]) == b"3"


async def test_a_key_that_is_too_far_is_read_once_it_is_handed_over_again(device: Device) -> None:
    """A sender that is asked to encrypt again hands over the key as it is by then."""
    own = made()
    await device.take(own.distribution)
    messages, own = said(own, 401)
    assert await device.decrypt(messages[2]) == b"2"
    near = replace(own, iteration=403)
    await device.take(near.distribution)
    assert await device.decrypt(messages[3]) == b"3", "the chain stays where it is"
    later, own = said(own, 403)
    await device.refuses(later[-1], "too_far")
    await device.take(own.distribution)
    message, _ = own.encrypt(b"after")
    assert await device.decrypt(message) == b"after"
    assert await device.decrypt(messages[0]) == b"0", "what was passed over is kept"


async def test_believes_its_sender_alone(device: Device) -> None:
    own = made()
    await device.take(own.distribution)
    message, _ = own.encrypt(b"mine")
    altered = bytearray(message)
    altered[-70] ^= 1  # in the ciphertext
    await device.refuses(bytes(altered), "bad_signature")
    forged, _ = replace(made(), key_id=own.key_id).encrypt(b"anothers")
    await device.refuses(forged, "bad_signature")
    assert await device.decrypt(message) == b"mine"
    (_, passed_over, last), _ = said(own, 3)
    await device.decrypt(last)
    await device.refuses(passed_over[:-1] + bytes([passed_over[-1] ^ 1]), "bad_signature")
    assert await device.decrypt(passed_over) == b"1"


async def test_a_key_handed_over_late_reads_nothing_before(device: Device) -> None:
    first, own = made().encrypt(b"before")
    await device.take(own.distribution)
    await device.refuses(first, "old_counter")


async def test_keys_go_with_the_key_that_they_are_of(device: Device) -> None:
    """Of one device five keys are kept for a group; one that comes again with another signer is another."""
    own = made()
    await device.take(own.distribution)
    messages, _ = said(own, 4)
    await device.decrypt(messages[3])
    assert device.kept() == 3
    await device.take(replace(made(), key_id=own.key_id).distribution)
    assert device.kept() == 0
    for _ in range(5):
        fresh = made()
        await device.take(fresh.distribution)
        await device.decrypt(said(fresh, 4)[0][3])
    assert device.kept() == 15
    await device.take(made().distribution)
    assert device.kept() == 12


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
    with pytest.raises(MalformedSignalMessage):
        Distribution.decode(raw)


@pytest.mark.parametrize("raw", [b"", b"\x33", THIRD[:64], b"\x32" + THIRD[1:], THIRD[-70:]])
def test_refuses_what_is_no_message(raw: bytes) -> None:
    with pytest.raises(MalformedSignalMessage):
        GroupMessage.decode(raw)
