from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.native import content
from actors.connection.native.content import Content
from actors.connection.native.nodes import MalformedMessage, proto

CHAT = "15550100002@s.whatsapp.net"


@given(st.text(min_size=1))
def test_a_text_reads_back(text: str) -> None:
    plaintext = content.text_message(text, chat=CHAT)
    assert content.read(plaintext) == Content("text", text)
    assert content.read(content.device_sent(plaintext, CHAT)) == Content("text", text, CHAT)


def test_a_reply_names_what_it_answers() -> None:
    plaintext = content.text_message("yes", chat=CHAT, reply_to="3EB0AA")
    assert content.read(plaintext) == Content("text", "yes")
    message = proto.Message.FromString(plaintext)
    assert message.extendedTextMessage.contextInfo.stanzaId == "3EB0AA"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param({"imageMessage": {"caption": "look"}}, Content("image", "look"), id="caption"),
        pytest.param({"imageMessage": {"url": "x"}}, Content("image", None), id="no caption"),
        pytest.param(
            {"ephemeralMessage": {"message": {"conversation": "soon gone"}}},
            Content("text", "soon gone"),
            id="in an envelope",
        ),
        pytest.param(
            {"orderMessage": {"orderId": "1"}}, Content("orderMessage", None), id="unknown kind"
        ),
        pytest.param({"protocolMessage": {"type": 5}}, None, id="history notification"),
        pytest.param({"messageContextInfo": {}}, None, id="context only"),
        pytest.param({"senderKeyDistributionMessage": {"groupId": "g"}}, None, id="sender key"),
        pytest.param({}, None, id="empty"),
    ],
)
def test_kinds(message: dict[str, object], expected: Content | None) -> None:
    assert content.read(proto.Message(**message).SerializeToString()) == expected


@given(st.binary(max_size=60))
def test_padding(plaintext: bytes) -> None:
    assert content.unpad(content.pad(plaintext)) == plaintext


@pytest.mark.parametrize("padded", [b"", b"\x00", b"\x02", b"abc\x11" * 9, b"abc\xff"])
def test_bad_padding(padded: bytes) -> None:
    with pytest.raises(MalformedMessage):
        content.unpad(padded)


def test_any_bytes_are_content_or_malformed() -> None:
    with pytest.raises(MalformedMessage):
        content.read(b"\xff\xff\xff")
