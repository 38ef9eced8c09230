"""Converts decrypted protobuf messages to typed content; rejects edits and deletes that the sender may not make.

The session proves the sender of a message, and nothing proves its claims about others: a reaction is its
sender's own, and an edit or a delete is for a message of its sender in its chat, or it is `Forged`.
An admin of a group may delete messages of others there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.media.cipher import MEDIA_KINDS
from actors.connection.protocol.media.media_fields import media_of
from actors.connection.protocol.mentions import received as mentions_of
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.votes_and_edits import EDIT, chosen, opened
from actors.connection.protocol.wire_format.nodes import MAX_NUMBER, MalformedMessage
from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW
from actors.messages.content import (
    MANY_TIMES,
    MINTED,
    QUOTE_EXCERPT,
    Card,
    Contact,
    Content,
    Delete,
    Edit,
    Forwardable,
    Location,
    Other,
    Pin,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
    Worded,
    reworded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.protocol.receive.wrappers import Received
    from actors.connection.session.messages.message_secrets import MessageSecret

LONGEST_ID: Final = 128
LONGEST_EMOJI: Final = 64
MOST_CARDS: Final = 100
MOST_OPTIONS: Final = 100
"""More than WhatsApp's own clients ever send."""
LONGEST_PIN: Final = 366 * 86_400
USUAL_PIN: Final = 7 * 86_400
"""Seconds of a pin at most, and of one that names none: what WhatsApp's own clients propose."""


class Forged(Exception):
    """It would change what its sender may not, or names nothing that could be changed."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The sender and the chat of a message that is read; all addresses are canonical.

    `canonical` resolves an address that a message names; `from_phone` says whether the account's
    message of that id in this chat is known to come from another device of the account; `secret` is
    that of an author's message, where it is known; `names` are all addresses of a person;
    `is_admin` says whether the sender is an admin of the group that the chat is.
    """

    chat: Address
    sender: Address
    account: Address
    canonical: Callable[[Address], Address]
    from_phone: Callable[[str], bool]
    secret: Callable[[Address, str], MessageSecret | None]
    names: Callable[[Address], Sequence[str]]
    is_admin: Callable[[], bool] = lambda: False

    def target(self, message_id: str, author: Address) -> Target:
        """The message of this id. Raises `Forged`."""
        if not 0 < len(message_id) <= LONGEST_ID:
            raise Forged
        own = author == self.account
        return Target(message_id, None if own and self._is_ours(message_id) else str(author))

    def _is_ours(self, message_id: str) -> bool:
        return MINTED.match(message_id) is not None and not self.from_phone(message_id)

    def author(self, key: Any) -> Address:
        """The author of the message that a key names, as its sender sees it. Raises `Forged`."""
        if key.fromMe:
            return self.sender
        if self.chat.server == GROUP:
            named = parse_optional(key.participant)
            if named is None:
                raise Forged
            return self.canonical(named)
        return self.chat if self.sender == self.account else self.account


def takes_back_anothers(received: Received) -> bool:
    """Whether the message deletes one that somebody else wrote, as admins of groups may."""
    return received.type == Delete.type and not received.message.protocolMessage.key.fromMe


def unsealed(received: Received, scene: Scene) -> Received:
    """The edit that is encrypted in a message under its target's secret; any other message as it is.

    Its type is `undecryptable` where the secret is not known, or opens nothing. Raises `Forged` where the
    target is another person's.
    """
    part = received.message.secretEncryptedMessage
    if received.part != wrappers.SEALED or part.secretEncType != part.MESSAGE_EDIT:
        return received
    target = _own(part.targetMessageKey, scene).message_id
    inner = _inner_edit(part, target, scene)
    if inner is None:
        return replace(received, type=UNDECRYPTABLE_ROW, text=None)
    # The secret is that of the outer key's message: the inner one's does not count.
    inner.message.protocolMessage.key.CopyFrom(part.targetMessageKey)
    secret = wrappers.secret_of(inner.message)
    return replace(inner, destination=received.destination, secret=secret)


def _inner_edit(part: Any, target: str, scene: Scene) -> Received | None:
    secret = scene.secret(scene.sender, target)
    if secret is None:
        return None
    names = scene.names(scene.sender)
    plaintext = opened(
        EDIT, part, secret=secret.secret, message_id=target, authors=names, senders=names
    )
    try:
        inner = None if plaintext is None else wrappers.read(plaintext)
    except MalformedMessage:
        return None
    return inner if inner is not None and inner.type == Edit.type else None


def content_of(received: Received, scene: Scene) -> Content:
    """The content of the message. Raises `Forged`."""
    read = _READERS.get(received.type)
    content = None if read is None else read(received, scene)
    if content is not None:
        return (
            _in_context(content, received, scene) if isinstance(content, Forwardable) else content
        )
    return Other(received.type, received.text, _quote(received, scene))


def _text(received: Received, scene: Scene) -> Content | None:
    return Text(received.text or "", _quote(received, scene))


def _media(received: Received, scene: Scene) -> Content | None:
    return media_of(received, _quote(received, scene))


def _in_context(content: Forwardable, received: Received, scene: Scene) -> Forwardable:
    """The content with how often it was forwarded, and whom it mentions: by their canonical addresses, in its text too."""
    part = getattr(received.message, received.part)
    if not hasattr(part, "contextInfo"):
        return content
    context = part.contextInfo
    if context.isForwarded:
        score = min(max(1, context.forwardingScore), MANY_TIMES)
        content = replace(content, forwarding_score=score)
    if not isinstance(content, Worded) or not (context.mentionedJid or context.nonJidMentions):
        return content
    mentions, mentioned = mentions_of(context, scene.canonical)
    return replace(reworded(content, mentioned.text), mentions=mentions)


def _location(received: Received, scene: Scene) -> Content | None:
    part = getattr(received.message, received.part)
    place = part.degreesLatitude, part.degreesLongitude
    if not all(map(math.isfinite, place)):
        return None
    name, address = (getattr(part, each, "") or None for each in ("name", "address"))
    return Location(*place, name, address, _quote(received, scene))


def _contact(received: Received, scene: Scene) -> Content | None:
    part = getattr(received.message, received.part)
    listed = part.contacts if received.part == "contactsArrayMessage" else [part]
    cards = tuple(Card(each.displayName, each.vcard) for each in listed[:MOST_CARDS])
    return Contact(cards, _quote(received, scene))


def _poll(received: Received, scene: Scene) -> Content | None:
    part = getattr(received.message, received.part)
    return Poll(
        part.name,
        tuple(option.optionName for option in part.options[:MOST_OPTIONS]),
        part.selectableOptionsCount,
        None if received.secret is None else received.secret.hex(),
        _quote(received, scene),
    )


def _reaction(received: Received, scene: Scene) -> Content | None:
    part = received.message.reactionMessage
    if len(part.text) > LONGEST_EMOJI:
        raise Forged
    target = scene.target(part.key.id, scene.author(part.key))
    return Reaction(target, part.text, _milliseconds(part))


def _pin(received: Received, scene: Scene) -> Content | None:
    """A pin for as long as its sender says; None for one of an unknown kind."""
    part = received.message.pinInChatMessage
    seconds = min(received.message.messageContextInfo.messageAddOnDurationInSecs, LONGEST_PIN)
    if part.type not in {part.PIN_FOR_ALL, part.UNPIN_FOR_ALL}:
        return None
    if part.type == part.UNPIN_FOR_ALL:
        seconds = 0
    elif not seconds:
        seconds = USUAL_PIN
    return Pin(scene.target(part.key.id, scene.author(part.key)), seconds, _milliseconds(part))


def _vote(received: Received, scene: Scene) -> Content | None:
    part = received.message.pollUpdateMessage
    author = scene.author(part.pollCreationMessageKey)
    number = part.pollCreationMessageKey.id
    target, poll = scene.target(number, author), scene.secret(author, number)
    if poll is None:
        return PollVote(target, at_ms=_milliseconds(part))
    options = chosen(
        part.vote,
        poll_id=number,
        secret=poll.secret,
        options=poll.options,
        authors=scene.names(author),
        voters=scene.names(scene.sender),
    )
    return PollVote(target, options, at_ms=_milliseconds(part))


def _milliseconds(part: Any) -> int | None:
    """The time that the sender gives a reaction, a pin or a vote; None for what is none."""
    milliseconds: int = part.senderTimestampMs
    return milliseconds if 0 < milliseconds <= MAX_NUMBER * 1000 else None


def _edit(received: Received, scene: Scene) -> Content | None:
    part = received.message.protocolMessage
    text = wrappers.text_of(part.editedMessage)
    if text is None:
        raise Forged
    return Edit(_own(part.key, scene), text)


def _delete(received: Received, scene: Scene) -> Content | None:
    key = received.message.protocolMessage.key
    author = scene.author(key)
    if author != scene.sender and not (scene.chat.server == GROUP and scene.is_admin()):
        raise Forged
    return Delete(scene.target(key.id, author))


def _own(key: Any, scene: Scene) -> Target:
    """The sender's own message that a key names. Raises `Forged` where it is another's."""
    if scene.author(key) != scene.sender:
        raise Forged
    return scene.target(key.id, scene.sender)


def _quote(received: Received, scene: Scene) -> Quote | None:
    """The message that this one answers, with the words that its sender quotes, which nobody checks."""
    part = getattr(received.message, received.part)
    if not hasattr(part, "contextInfo") or not part.contextInfo.stanzaId:
        return None
    context = part.contextInfo
    named = parse_optional(context.participant)
    if named is None and scene.chat.server == GROUP:
        return None
    author = scene.chat if named is None else scene.canonical(named)
    try:
        return Quote(scene.target(context.stanzaId, author), *_quoted(context.quotedMessage))
    except Forged:
        return None


def _quoted(message: Any) -> tuple[str | None, str]:
    """The beginning of the words of a quoted message, and its kind."""
    found = wrappers.read_parsed(message)
    if found is None:
        return None, Text.type
    return (found.text or "")[:QUOTE_EXCERPT] or None, found.type


_READERS: Final = {
    "text": _text,
    "location": _location,
    "contact": _contact,
    "poll": _poll,
    "reaction": _reaction,
    "pin": _pin,
    "edit": _edit,
    "delete": _delete,
    "poll_vote": _vote,
    **dict.fromkeys(MEDIA_KINDS, _media),
}
