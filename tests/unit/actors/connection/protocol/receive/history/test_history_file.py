"""The file of a history: bounded, whole, and read in parts."""

from __future__ import annotations

import zlib

import pytest
from pyaileys.proto import WAProto_pb2

from actors.connection.protocol.receive.history import history_file
from actors.connection.protocol.receive.history.history_file import (
    UnusableHistory,
    inflate,
    split,
    without_messages,
)
from actors.connection.protocol.wire_format.nodes import proto


def history() -> bytes:
    made = WAProto_pb2.HistorySync(syncType=0, chunkOrder=1, progress=50)
    for number in range(3):
        made.conversations.add(id=f"1555010000{number}@s.whatsapp.net")
    made.pushnames.add(id="15550100002@s.whatsapp.net", pushname="Ana")
    made.phoneNumberToLidMappings.add(pnJid="15550100002@s.whatsapp.net", lidJid="9@lid")
    made.globalSettings.SetInParent()
    serialized: bytes = made.SerializeToString()
    return serialized


def test_inflates_what_comes_in_parts() -> None:
    data = history() * 1000
    sealed = zlib.compress(data)
    assert inflate([sealed[:10], b"", sealed[10:]]) == data


@pytest.mark.parametrize(
    "sealed",
    [b"", b"not deflated", zlib.compress(b"x" * 100)[:-3]],
    ids=["nothing", "something else", "cut short"],
)
def test_refuses_what_is_not_whole(sealed: bytes) -> None:
    with pytest.raises(UnusableHistory):
        inflate([sealed])


def test_inflates_no_further_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a kilobyte that would be a megabyte, no more than the bound is ever held."""
    monkeypatch.setattr(history_file, "MAX_INFLATED", 10_000)
    assert len(inflate([zlib.compress(bytes(10_000))])) == 10_000
    for count in (10_001, 1_000_000):
        bomb = zlib.compress(bytes(count))
        with pytest.raises(UnusableHistory, match="bound"):
            inflate([bomb])
        with pytest.raises(UnusableHistory, match="bound"):
            inflate([bomb[:20], bomb[20:]])


def test_splits_a_history_into_its_parts() -> None:
    parts = list(split(history()))
    assert [name for name, _ in parts] == [
        *(["conversations"] * 3),
        "pushnames",
        "phoneNumberToLidMappings",
    ]
    assert proto.Conversation.FromString(parts[1][1]).id == "15550100001@s.whatsapp.net"


@pytest.mark.parametrize(
    "data",
    [history()[:-1], b"\x12", b"\x12\xff\xff\xff\xff\x0f", b"\x80" * 11, b"\x13", b"\x15\x00"],
)
def test_refuses_what_is_no_history(data: bytes) -> None:
    with pytest.raises(UnusableHistory):
        list(split(data))


@pytest.mark.parametrize("most", [10**6, 200, 60])
def test_what_is_no_message_comes_in_shares(most: int) -> None:
    whole = WAProto_pb2.HistorySync.FromString(history())
    expected = WAProto_pb2.HistorySync.FromString(history())
    for number, talk in enumerate(whole.conversations):
        for each in (talk, expected.conversations[number]):
            each.tcToken, each.unreadCount = bytes([number]) * 20, 300
        for index in range(300):
            talk.messages.add().message.key.id = f"3EB0{index:018X}"
    shares = list(without_messages(whole.SerializeToString(), most))
    assert all(len(share) <= most for share in shares)
    assert (len(shares) > 1) is (most < 1000)
    assert WAProto_pb2.HistorySync.FromString(b"".join(shares)) == expected


def test_a_part_beyond_the_share_is_left_out() -> None:
    made = WAProto_pb2.HistorySync(syncType=0, progress=50)
    made.pushnames.add(id="15550100002@s.whatsapp.net", pushname="A" * 1000)
    (share,) = without_messages(made.SerializeToString(), 100)
    assert WAProto_pb2.HistorySync.FromString(share) == WAProto_pb2.HistorySync(
        syncType=0, progress=50
    )
    with pytest.raises(UnusableHistory):
        list(without_messages(b"\x12\x05abc", 100))
