"""A chat whose messages disappear, from what arrives in it to what is sent into it."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.protocol.receive import disappearing_timer, wrappers
from actors.connection.protocol.receive.disappearing_timer import MAX_TIMER_SECONDS, Setting
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import proto
from actors.messages.content import (
    Card,
    Contact,
    Content,
    Delete,
    Edit,
    Location,
    Poll,
    Quote,
    Reaction,
    Target,
    Text,
)

ACCOUNT, CONTACT = "15550100001@s.whatsapp.net", "15550100002@s.whatsapp.net"
DAY = 86_400
THEIRS = Target("3EB0AA", CONTACT)


def text(words: str) -> bytes:
    return write(Text(words), Place(CONTACT, CONTACT, 0.0))


def setting(seconds: int, set_at: int = 0) -> bytes:
    message = proto.Message()
    told = message.protocolMessage
    told.type = proto.Message.ProtocolMessage.EPHEMERAL_SETTING
    told.ephemeralExpiration, told.ephemeralSettingTimestamp = seconds, set_at
    serialized: bytes = message.SerializeToString()
    return serialized


def said(seconds: int, set_at: int = 0) -> bytes:
    message = proto.Message()
    message.extendedTextMessage.text = "hi"
    context = message.extendedTextMessage.contextInfo
    context.expiration, context.ephemeralSettingTimestamp = seconds, set_at
    serialized: bytes = message.SerializeToString()
    return serialized


@pytest.mark.parametrize(
    ("plaintext", "found"),
    [
        (setting(DAY, 800), (Setting(DAY, 800.0), None)),
        (setting(DAY), (Setting(DAY, 900.0), None)),
        (setting(DAY, 2**40), (Setting(DAY, 900.0), None)),
        (setting(0, 800), (Setting(0, 800.0), None)),
        (setting(2**32 - 1, 800), (Setting(MAX_TIMER_SECONDS, 800.0), None)),
        (said(DAY, 800), None),
        (text("hi"), None),
    ],
)
def test_what_a_person_sets(plaintext: bytes, found: Any) -> None:
    assert disappearing_timer.of_protocol(plaintext, 900.0) == found


@pytest.mark.parametrize(
    ("plaintext", "found"),
    [
        (said(DAY, 800), Setting(DAY, 800.0)),
        (said(DAY), Setting(DAY, 900.0)),
        (said(0, 800), Setting(0, 800.0)),
        (said(0), None),
        (text("hi"), None),
    ],
)
def test_what_a_message_says(plaintext: bytes, found: Setting | None) -> None:
    received = wrappers.read(plaintext)
    assert received is not None
    assert disappearing_timer.of_message(received, 900.0) == found


@pytest.mark.parametrize(
    "content",
    [
        Text("hi"),
        Text("yes", Quote(THEIRS, "well?")),
        Location(1.0, 2.0),
        Contact((Card("Ana", "v"),)),
        Contact((Card("Ana", "v"), Card("Ben", "v"))),
        Poll("Tea?", ("yes", "no"), 1, "00" * 32),
        Poll("Tea?", ("yes", "no"), 0, "00" * 32),
    ],
)
def test_each_message_into_such_a_chat_says_so(content: Content) -> None:
    read = wrappers.read(write(content, Place(CONTACT, ACCOUNT, 0.0, expires=DAY)))
    assert read is not None
    assert read.text == (content.text if isinstance(content, Text) else read.text)
    part = getattr(read.message, read.part)
    assert part.contextInfo.expiration == DAY
    assert bool(part.contextInfo.stanzaId) is (getattr(content, "reply_to", None) is not None)
    plain = wrappers.read(write(content, Place(CONTACT, ACCOUNT, 0.0)))
    assert plain is not None
    assert disappearing_timer.of_message(plain, 900.0) is None


@pytest.mark.parametrize("content", [Reaction(THEIRS, "👍"), Edit(THEIRS, "x"), Delete(THEIRS)])
def test_what_changes_a_message_does_not(content: Content) -> None:
    places = (Place(CONTACT, ACCOUNT, 0.0, expires=seconds) for seconds in (0, DAY))
    first, second = (write(content, place) for place in places)
    assert first == second
