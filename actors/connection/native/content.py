"""What a decrypted message says, and the plaintext of what is sent.

WhatsApp pads a message before encrypting it: one to sixteen bytes, each holding their number.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from actors.connection.native.nodes import MalformedMessage, parse, proto


@dataclass(frozen=True, slots=True)
class Content:
    """One message as a person would see it.

    `text` is None for kinds without text. `destination` is the chat's address when the account's
    own phone sent the message and this is its copy.
    """

    type: str
    text: str | None
    destination: str | None = None


_TYPES = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "lottieStickerMessage": "sticker",
    "locationMessage": "location",
    "liveLocationMessage": "location",
    "contactMessage": "contact",
    "contactsArrayMessage": "contact",
    "reactionMessage": "reaction",
    "pollCreationMessage": "poll",
    "pollCreationMessageV2": "poll",
    "pollCreationMessageV3": "poll",
    "pollUpdateMessage": "poll_vote",
}

# Envelopes around a message that change how it is shown, not what it is.
_ENVELOPES = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
)

# Parts that serve the protocol: a message that has nothing else is not one that a person sent.
_SILENT = frozenset(
    {
        "protocolMessage",
        "messageContextInfo",
        "senderKeyDistributionMessage",
        "fastRatchetKeySenderKeyDistributionMessage",
        "call",
        "chat",
        "stickerSyncRmrMessage",
        "messageHistoryNotice",
        "messageHistoryBundle",
        "placeholderMessage",
    }
)


def read(plaintext: bytes) -> Content | None:
    """The message in an unpadded plaintext; None where it is for the protocol only.

    Raises `MalformedMessage`. A kind that is not known keeps its own name as type.
    """
    message = parse(proto.Message, plaintext)
    destination = None
    if message.HasField("deviceSentMessage"):
        destination = message.deviceSentMessage.destinationJid
        message = message.deviceSentMessage.message
    message = _unwrapped(message)
    kinds = [field.name for field, _ in message.ListFields() if field.name not in _SILENT]
    if not kinds:
        return None
    kind = next((name for name in kinds if name in _TYPES), kinds[0])
    return Content(_TYPES.get(kind, kind), _text(message, kind), destination)


def text_message(text: str, *, chat: str, reply_to: str | None = None) -> bytes:
    """The plaintext of a text, unpadded. `reply_to` is the id of a message in the same chat."""
    message = proto.Message()
    if reply_to is None:
        message.conversation = text
    else:
        message.extendedTextMessage.text = text
        context = message.extendedTextMessage.contextInfo
        context.stanzaId = reply_to
        context.participant = chat
        context.quotedMessage.conversation = ""
    serialized: bytes = message.SerializeToString()
    return serialized


def device_sent(plaintext: bytes, destination: str) -> bytes:
    """The copy for the account's own devices of a message to `destination`, unpadded."""
    message = proto.Message()
    message.deviceSentMessage.destinationJid = destination
    message.deviceSentMessage.message.ParseFromString(plaintext)
    serialized: bytes = message.SerializeToString()
    return serialized


def pad(plaintext: bytes) -> bytes:
    """The plaintext as it is encrypted."""
    count = secrets.randbelow(16) + 1
    return plaintext + bytes([count]) * count


def unpad(padded: bytes) -> bytes:
    """The plaintext as it was before `pad`. Raises `MalformedMessage`."""
    count = padded[-1] if padded else 0
    if not 1 <= count <= min(16, len(padded)):
        raise MalformedMessage("padding")
    return padded[:-count]


def _unwrapped(message: Any) -> Any:
    for _ in range(4):
        envelope = next((name for name in _ENVELOPES if message.HasField(name)), None)
        if envelope is None:
            break
        message = getattr(message, envelope).message
    return message


def _text(message: Any, kind: str) -> str | None:
    if kind == "conversation":
        text: str = message.conversation
        return text
    part = getattr(message, kind)
    names = {field.name for field, _ in part.ListFields()} if hasattr(part, "ListFields") else set()
    return next((getattr(part, name) for name in ("text", "caption") if name in names), None)
