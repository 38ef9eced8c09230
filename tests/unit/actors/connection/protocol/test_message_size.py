"""The largest message that WhatsApp's apps let a person write fits into the bound of its size."""

from __future__ import annotations

import re
from pathlib import Path

import actors.connection.whatsmeow
from actors.connection.protocol.message_size import MAX_MESSAGE
from actors.connection.protocol.wire_format.nodes import proto
from actors.messages.content import MOST_MENTIONS
from actors.messages.field_types import MAX_TEXT_CHARACTERS

BRIDGE = Path(actors.connection.whatsmeow.__file__).parent / "bridge/library/forgeries.go"
WORDS = "ก" * MAX_TEXT_CHARACTERS  # three bytes each; a character of four has two UTF-16 units
THUMBNAIL = bytes(32 * 1024)


def test_a_text_of_any_characters_with_all_that_it_can_bring_fits() -> None:
    message = proto.Message()
    text = message.extendedTextMessage
    text.text = WORDS
    text.title = text.description = "ก" * 1024
    text.jpegThumbnail = THUMBNAIL
    context = text.contextInfo
    context.mentionedJid.extend(
        f"{100_000_000_000_000 + number}@s.whatsapp.net" for number in range(MOST_MENTIONS)
    )
    context.quotedMessage.extendedTextMessage.text = WORDS
    context.quotedMessage.extendedTextMessage.jpegThumbnail = THUMBNAIL
    size = len(message.SerializeToString())
    assert MAX_MESSAGE * 3 // 4 < size <= MAX_MESSAGE


def test_the_program_has_the_same_bound_and_room_for_the_encryption() -> None:
    (bound,) = re.findall(
        r"^const largest = (\d+)<<10 \+ (\d+)<<10$", BRIDGE.read_text(), re.MULTILINE
    )
    assert sum(int(each) * 1024 for each in bound) == MAX_MESSAGE + 1024
