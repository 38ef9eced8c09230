"""Converts typed content to WhatsApp's protobuf message."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import GROUP, LID
from actors.connection.protocol.media import media_fields
from actors.connection.protocol.mentions import NOBODY
from actors.connection.protocol.receive.votes_and_edits import IV_BYTES, sealed
from actors.connection.protocol.wire_format.nodes import proto
from actors.messages.content import (
    Change,
    Contact,
    Delete,
    Edit,
    Forwardable,
    Location,
    Media,
    Pin,
    Poll,
    PollVote,
    Reaction,
    Text,
    Worded,
    reworded,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.mentions import Mentioned
    from actors.connection.session.files.uploads import Upload
    from actors.messages.content import Content, LinkPreview, Target


@dataclass(frozen=True, slots=True)
class Place:
    """The chat that a message goes to; `at` is the time in seconds.

    `chat` is the address of the stanza, `account` the canonical one, `lid` the account's LID where it
    is known. `named` gives the address by which the chat knows a person of a canonical address.
    `author` is how the poll that is voted in named its author, where that is known. `expires` is after
    how many seconds messages of the chat disappear, 0 where they stay. `mentioned` are the people whom the
    message mentions.
    """

    chat: str
    account: str
    at: float
    lid: str | None = None
    named: Callable[[str], str] = str
    author: str | None = None
    expires: int = 0
    mentioned: Mentioned = NOBODY

    def key(self, target: Target) -> Any:
        """The key of a message of this chat, as the account sees it."""
        own = target.sender is None or target.sender == self.account
        key = proto.MessageKey(remoteJid=self.chat, fromMe=own, id=target.message_id)
        if target.sender is not None and not own and self.chat.endswith(f"@{GROUP}"):
            key.participant = self.named(target.sender)
        return key

    def author_and_self(self, target: Target) -> tuple[str, str]:
        """The author of that poll, and the account: both by LID, or both by phone number.

        Votes are counted by the names on the wire of the poll (whatsmeow, msgsecret.go).
        """
        author = self.author or self.named(target.sender or self.account)
        if author.endswith(f"@{LID}"):
            return author, self.lid or self.account
        return author, self.account

    @property
    def milliseconds(self) -> int:
        return int(self.at * 1000)


def write(content: Content, place: Place, upload: Upload | None = None) -> bytes:
    """The plaintext, not padded; `upload` is where its file is, where it has one.

    Raises `SendError` for a kind that cannot be sent.
    """
    message = proto.Message()
    if place.mentioned.digits and isinstance(content, Worded):
        content = reworded(content, place.mentioned.text)
    if isinstance(content, Text):
        _text(message, content, place)
    elif isinstance(content, Location):
        _location(message.locationMessage, content)
        _context(message.locationMessage, content, place)
    elif isinstance(content, Contact):
        _contact(message, content, place)
    elif isinstance(content, Poll):
        _poll(message, content, place)
    elif isinstance(content, Change):
        _change(message, content, place)
    elif isinstance(content, Media) and upload is not None:
        _context(media_fields.put(message, content, upload), content, place)
    else:
        raise SendError("unsupported_type", permanent=True)
    plaintext: bytes = message.SerializeToString()
    return plaintext


def _text(message: Any, content: Text, place: Place) -> None:
    _context(message.extendedTextMessage, content, place)
    if content.link_preview is not None:
        _preview(message.extendedTextMessage, content.link_preview)
    if message.HasField("extendedTextMessage"):
        message.extendedTextMessage.text = content.text
    else:
        message.conversation = content.text  # which has no room for a context


def _preview(part: Any, preview: LinkPreview) -> None:
    part.matchedText, part.title = preview.url, preview.title
    if preview.description is not None:
        part.description = preview.description
    if preview.thumbnail is not None:
        part.jpegThumbnail = base64.b64decode(preview.thumbnail)


def _location(part: Any, content: Location) -> None:
    part.degreesLatitude, part.degreesLongitude = content.latitude, content.longitude
    if content.name is not None:
        part.name = content.name
    if content.address is not None:
        part.address = content.address


def _contact(message: Any, content: Contact, place: Place) -> None:
    first = content.cards[0]
    if len(content.cards) == 1:
        part = message.contactMessage
        part.displayName, part.vcard = first.name, first.vcard
    else:
        part = message.contactsArrayMessage
        part.displayName = first.name
        for card in content.cards:
            part.contacts.add(displayName=card.name, vcard=card.vcard)
    _context(part, content, place)


def _poll(message: Any, content: Poll, place: Place) -> None:
    # Clients tell a poll with one choice by the field that it is in.
    one = content.choices == 1
    part = message.pollCreationMessageV3 if one else message.pollCreationMessage
    part.name, part.selectableOptionsCount = content.question, content.choices
    for option in content.options:
        part.options.add(optionName=option)
    _context(part, content, place)
    if content.secret is not None:
        message.messageContextInfo.messageSecret = bytes.fromhex(content.secret)


def _reaction(part: Any, content: Reaction, place: Place) -> None:
    part.key.CopyFrom(place.key(content.target))
    part.text = content.emoji
    part.senderTimestampMs = place.milliseconds


def _pin(message: Any, content: Pin, place: Place) -> None:
    part = message.pinInChatMessage
    part.key.CopyFrom(place.key(content.target))
    part.type = part.PIN_FOR_ALL if content.seconds else part.UNPIN_FOR_ALL
    part.senderTimestampMs = place.milliseconds
    message.messageContextInfo.messageAddOnDurationInSecs = content.seconds


def _vote(part: Any, content: PollVote, place: Place) -> None:
    if content.secret is None or content.options is None:
        raise SendError("poll_unreadable", permanent=True)
    author, voter = place.author_and_self(content.target)
    iv = secrets.token_bytes(IV_BYTES)
    part.pollCreationMessageKey.CopyFrom(place.key(content.target))
    part.vote.encIv = iv
    part.vote.encPayload = sealed(
        content.options,
        poll_id=content.target.message_id,
        secret=bytes.fromhex(content.secret),
        author=author,
        voter=voter,
        iv=iv,
    )
    part.senderTimestampMs = place.milliseconds


def _change(message: Any, content: Change, place: Place) -> None:
    if isinstance(content, Reaction):
        _reaction(message.reactionMessage, content, place)
    elif isinstance(content, Pin):
        _pin(message, content, place)
    elif isinstance(content, PollVote):
        _vote(message.pollUpdateMessage, content, place)
    else:
        _protocol(message, content, place)


def _protocol(message: Any, content: Edit | Delete, place: Place) -> None:
    part = message.protocolMessage
    part.key.CopyFrom(place.key(content.target))
    if isinstance(content, Edit):
        part.type = proto.Message.ProtocolMessage.MESSAGE_EDIT
        part.editedMessage.conversation = content.text
        part.timestampMs = place.milliseconds
    else:
        part.type = proto.Message.ProtocolMessage.REVOKE


def _context(part: Any, content: Forwardable | Poll, place: Place) -> None:
    """Write what the message answers, whom it mentions, that it was forwarded, and that it disappears.

    Each message of a chat with a timer says the last.
    """
    if place.expires:
        part.contextInfo.expiration = place.expires
    if place.mentioned.addresses:
        part.contextInfo.mentionedJid.extend(place.mentioned.addresses)
    if isinstance(content, Forwardable) and content.forwarding_score:
        part.contextInfo.isForwarded = True
        part.contextInfo.forwardingScore = content.forwarding_score
    quote = content.reply_to
    if quote is None:
        return
    context = part.contextInfo
    context.stanzaId = quote.target.message_id
    context.participant = place.named(quote.target.sender or place.account)
    # There has to be one: clients take a reply without it for no reply.
    context.quotedMessage.conversation = quote.text or ""
