"""Unwraps decrypted messages from their protobuf envelopes, and pads and wraps outgoing plaintexts.

WhatsApp pads a message before encrypting it: one to sixteen bytes, each holding their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from actors.connection.protocol.wire_format.nodes import parse, proto


@dataclass(frozen=True, slots=True)
class Received:
    """One message as a person would see it, out of its envelopes.

    `part` is the field of `message` that says what it is, `type` what that is called here, `text`
    its text, None for kinds without one. `destination` is the chat's address when the account's own
    phone sent the message and this is its copy. `view_once`: its sender wants it seen once, and kept
    nowhere. `secret` came with it: votes and edits of it are encrypted under that; an edit has it
    where it brings another one.
    """

    type: str
    text: str | None
    destination: str | None
    part: str
    message: Any = field(repr=False, compare=False)
    view_once: bool = False
    secret: bytes | None = field(default=None, repr=False)


SEALED: Final = "secretEncryptedMessage"
"""The part of a message that holds another one, encrypted under the secret of its target."""

_TYPES = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "locationMessage": "location",
    "liveLocationMessage": "location",
    "contactMessage": "contact",
    "contactsArrayMessage": "contact",
    "reactionMessage": "reaction",
    "pinInChatMessage": "pin",
    "pollCreationMessage": "poll",
    "pollCreationMessageV2": "poll",
    "pollCreationMessageV3": "poll",
    "pollCreationMessageV5": "poll",
    "pollCreationMessageV6": "poll",
    "pollUpdateMessage": "poll_vote",
}

# Kinds of protocol messages that are the act of a person.
_CHANGES = {
    proto.Message.ProtocolMessage.REVOKE: "delete",
    proto.Message.ProtocolMessage.MESSAGE_EDIT: "edit",
}

# Envelopes around a message that change how it is shown, not what it is.
_VIEW_ONCE = ("viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension")
_ENVELOPES = (
    "ephemeralMessage",
    *_VIEW_ONCE,
    "documentWithCaptionMessage",
    "editedMessage",
    "pollCreationMessageV4",
    "lottieStickerMessage",
    "spoilerMessage",
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
        "groupRootKeyShare",
        "rootSecretDistributeMessage",
        "statusLinkPreviewMetadata",
    }
)


def read(plaintext: bytes) -> Received | None:
    """The message in an unpadded plaintext; None where it is for the protocol only.

    Raises `MalformedMessage`. A kind that is not known keeps its own name as type.
    """
    return read_parsed(parse(proto.Message, plaintext))


def read_parsed(message: Any) -> Received | None:
    """As `read`, of the message itself."""
    destination = None
    if message.HasField("deviceSentMessage"):
        destination = message.deviceSentMessage.destinationJid
        outer, message = message, message.deviceSentMessage.message
        if not message.HasField("messageContextInfo"):
            message.messageContextInfo.CopyFrom(outer.messageContextInfo)
    outer, (message, envelopes) = message, _unwrapped(message)
    names = [field.name for field, _ in message.ListFields()]
    if "protocolMessage" in names:
        kind = _CHANGES.get(message.protocolMessage.type)
        if kind is not None and message.protocolMessage.HasField("key"):
            return Received(kind, None, destination, "protocolMessage", message)
    kinds = [name for name in names if name not in _SILENT]
    if not kinds:
        return None
    part = next((name for name in kinds if name in _TYPES), kinds[0])
    return Received(
        _TYPES.get(part, part),
        text_of(message, part),
        destination,
        part,
        message,
        view_once=not envelopes.isdisjoint(_VIEW_ONCE),
        # The context is beside an envelope, where there is one.
        secret=secret_of(message) or secret_of(outer),
    )


def text_of(message: Any, part: str | None = None) -> str | None:
    """The text or caption in this part of a message; without a part, in the first that is known."""
    if part is None:
        names = [field.name for field, _ in message.ListFields()]
        part = next((name for name in names if name in _TYPES), None)
    return None if part is None else _text(message, part)


def secret_of(message: Any) -> bytes | None:
    """The secret that came with a message, where one did."""
    return message.messageContextInfo.messageSecret or None


def of_web(info: Any) -> Any:
    """The message of a ``WebMessageInfo``, with the secret that is kept beside it."""
    message = info.message
    if info.messageSecret and not message.messageContextInfo.messageSecret:
        message.messageContextInfo.messageSecret = info.messageSecret
    return message


def _unwrapped(message: Any) -> tuple[Any, set[str]]:
    """The message, and the envelopes that it came in."""
    opened = set[str]()
    for _ in range(4):
        envelope = next((name for name in _ENVELOPES if message.HasField(name)), None)
        if envelope is None:
            break
        opened.add(envelope)
        message = getattr(message, envelope).message
    return message, opened


def _text(message: Any, kind: str) -> str | None:
    if kind == "conversation":
        text: str = message.conversation
        return text
    part = getattr(message, kind)
    names = {field.name for field, _ in part.ListFields()} if hasattr(part, "ListFields") else set()
    return next((getattr(part, name) for name in ("text", "caption") if name in names), None)
