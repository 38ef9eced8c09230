from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import MalformedMessage, proto
from actors.messages.content import Text

CHAT = "15550100002@s.whatsapp.net"


def shown(plaintext: bytes) -> tuple[str, str | None, str | None] | None:
    found = wrappers.read(plaintext)
    return None if found is None else (found.type, found.text, found.destination)


def device_sent(plaintext: bytes) -> bytes:
    """The copy of a message for the account's other devices."""
    message = proto.Message()
    message.deviceSentMessage.destinationJid = CHAT
    message.deviceSentMessage.message.ParseFromString(plaintext)
    copy: bytes = message.SerializeToString()
    return copy


@given(st.text(min_size=1))
def test_a_text_reads_back(text: str) -> None:
    plaintext = write(Text(text), Place(CHAT, CHAT, 0.0))
    assert shown(plaintext) == ("text", text, None)
    assert shown(device_sent(plaintext)) == ("text", text, CHAT)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param({"imageMessage": {"caption": "look"}}, ("image", "look", None), id="caption"),
        pytest.param({"imageMessage": {"url": "x"}}, ("image", None, None), id="no caption"),
        pytest.param(
            {"ephemeralMessage": {"message": {"conversation": "soon gone"}}},
            ("text", "soon gone", None),
            id="in an envelope",
        ),
        pytest.param({"orderMessage": {}}, ("orderMessage", None, None), id="unknown kind"),
        pytest.param(
            {"stickerPackMessage": {"caption": "mine"}},
            ("stickerPackMessage", "mine", None),
            id="unknown kind with a caption",
        ),
        pytest.param({"musicMessage": {}}, ("musicMessage", None, None), id="a kind of 2026"),
        pytest.param({"pollCreationMessageV6": {}}, ("poll", None, None), id="a poll of 2026"),
        pytest.param(
            {"spoilerMessage": {"message": {"conversation": "it was the gardener"}}},
            ("text", "it was the gardener", None),
            id="a spoiler",
        ),
        pytest.param({"groupRootKeyShare": {}}, None, id="keys of a group"),
        pytest.param({"protocolMessage": {"type": 5}}, None, id="history notification"),
        pytest.param({"messageContextInfo": {}}, None, id="context only"),
        pytest.param({"senderKeyDistributionMessage": {"groupId": "g"}}, None, id="sender key"),
        pytest.param({}, None, id="empty"),
    ],
)
def test_kinds(message: dict[str, object], expected: object) -> None:
    assert shown(proto.Message(**message).SerializeToString()) == expected


UNDECLARED = b"\x92\x01\x03abc"  # field 18 of a picture, a part of its hashes


def test_fields_that_are_not_declared_go_along() -> None:
    inner = proto.Message.ImageMessage(caption="look").SerializeToString() + UNDECLARED
    picture = b"\x1a" + bytes([len(inner)]) + inner
    unread = proto.Message.FromString(picture)
    assert not hasattr(unread.imageMessage, "firstScanSidecar")
    copy = proto.Message.FromString(device_sent(picture))
    assert copy.deviceSentMessage.message.SerializeToString() == picture
    found = wrappers.read(device_sent(picture))
    assert found is not None
    assert found.message.imageMessage.SerializeToString() == inner


def test_any_bytes_are_content_or_malformed() -> None:
    with pytest.raises(MalformedMessage):
        wrappers.read(b"\xff\xff\xff")
