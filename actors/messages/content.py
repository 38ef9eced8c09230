"""Defines message content as one union of typed values, and encodes and decodes it as versioned JSON.

Each kind is declared once. The queue's record, the inbox and the stored document have it as
JSON (`encode`, `decode`) that names its version, so that another release understands it or refuses it; engines write it
to WhatsApp's protobuf and read it from there. The types of its fields (`field_types`) are the limits of the API, from which
the gateway makes the models of requests and answers, and so the OpenAPI document (`gateway.schemas.content.content_fields`).

Content excludes the envelope: chat, sender, time and id are beside it, and a `Target` names its author itself. So a
group is another chat. Only reactions, pins and votes have a time, by which the last one counts; two of different
times are equal. The bytes of a `File` are in `actors.media`, and nowhere in the content.

None of these may be logged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.messages.field_types import (
        Animated,
        Caption,
        Choices,
        Chosen,
        Emoji,
        Hidden,
        Latitude,
        Line,
        Longitude,
        Options,
        PinSeconds,
        PlaceAddress,
        PlaceName,
        Question,
        Seconds,
        Vcard,
        Voice,
        Words,
    )

VERSION: Final = 1


class UnknownContent(ValueError):
    """No content, or one of a newer release. The message says no more, for it may be logged."""


MINTED = re.compile(r"3EB0[0-9A-F]{18}\Z")
"""The WhatsApp ids that this service gives (`queue.records.mint`); WhatsApp Web's are like them."""


QUOTE_EXCERPT: Final = 300
"""Characters of a quoted message's words that are kept of a reply that arrives, and shown."""


@dataclass(frozen=True, slots=True)
class Target:
    """Another message of the same chat. `sender` None: this service sent it, under its own id.

    Otherwise the canonical address of its author; the account's, where its phone sent it.
    """

    message_id: str
    sender: str | None


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply quotes. `text` is shown with it, where it is known; `type` is its kind.

    Both are the sender's word in a reply that arrived: anything may be quoted.
    """

    target: Target
    text: str | None = None
    type: str = "text"


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """Title, description and picture of the page that a text links to. `url` is as the text has it, `thumbnail` a JPEG in Base64."""

    url: str
    title: str
    description: str | None = None
    thumbnail: str | None = None


MANY: Final = 5
MANY_TIMES: Final = 127
"""The score of a message that was forwarded `MANY` times or more: clients show it as such, and count no further."""

EVERYBODY: Final = "all"

MOST_MENTIONS: Final = 1024
"""People whom one message mentions at most: a group of WhatsApp has as many members."""

Mentions = tuple[str, ...] | Literal["all"]
"""Canonical addresses, or `EVERYBODY`: those who are in the group when the message leaves."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `link_preview` shows the page of its first link."""

    type: ClassVar = "text"
    text: Words
    reply_to: Quote | None = None
    mentions: Mentions | None = None
    forwarding_score: Hidden[int] | None = None
    link_preview: LinkPreview | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees; north and east are positive."""

    type: ClassVar = "location"
    latitude: Latitude
    longitude: Longitude
    name: PlaceName = None
    address: PlaceAddress = None
    reply_to: Quote | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A person by a vCard."""

    name: Line
    vcard: Vcard


@dataclass(frozen=True, slots=True)
class Contact:
    """One or more people, each by a vCard."""

    type: ClassVar = "contact"
    cards: tuple[Card, ...]
    reply_to: Quote | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """`choices` is how many options one may choose, 0 any number; `secret` (hex) keys the votes."""

    type: ClassVar = "poll"
    question: Question
    options: Options
    choices: Choices
    secret: Hidden[str] | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class PollVote:
    """The options that a voter chooses in a poll, in place of their earlier ones.

    `options` None: it could not be read. `secret` (hex) is the poll's, in a vote that is to be sent.
    `at_ms` is the sender's time in milliseconds, where it is known: of two votes the later one counts.
    """

    type: ClassVar = "poll_vote"
    target: Target
    options: Chosen | None = None
    secret: Hidden[str] | None = None
    at_ms: Hidden[int] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file beside a message: its plain bytes are kept under their SHA-256 (hex).

    `size` is in bytes, `mime` what its sender calls it, `name` how a document is called.
    """

    sha256: str
    size: int
    mime: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, with a text beneath it where `caption` is given."""

    type: ClassVar = "image"
    file: File
    caption: Caption = None
    reply_to: Quote | None = None
    mentions: Mentions | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """`seconds` is how long it lasts, where that is known."""

    type: ClassVar = "video"
    file: File
    caption: Caption = None
    seconds: Seconds = None
    reply_to: Quote | None = None
    mentions: Mentions | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """`voice`: a voice note, rather than a file of sound."""

    type: ClassVar = "audio"
    file: File
    voice: Voice = False
    seconds: Seconds = None
    reply_to: Quote | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A file of any type, shown by its name (`file.name`) and perhaps with a `caption`."""

    type: ClassVar = "document"
    file: File
    caption: Caption = None
    reply_to: Quote | None = None
    mentions: Mentions | None = None
    forwarding_score: Hidden[int] | None = None


@dataclass(frozen=True, slots=True)
class Sticker:
    """A picture in WebP, which apps show without a frame; `animated` where it moves."""

    type: ClassVar = "sticker"
    file: File
    animated: Animated = False
    reply_to: Quote | None = None
    forwarding_score: Hidden[int] | None = None


Media = Image | Video | Audio | Document | Sticker
"""Kinds that bring a file."""


def is_voice_note(content: object) -> bool:
    """Whether the content is a voice note, which apps play as a voice: Opus in Ogg, of one channel."""
    return isinstance(content, Audio) and content.voice


EDIT_SECONDS = 15 * 60.0
"""Seconds after it was sent for which a text may be edited: WhatsApp's own clients show no later edit."""

DELETE_SECONDS = 60 * 3600.0
"""Seconds after it was sent for which a message may be deleted for everyone, as in WhatsApp's clients."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """An empty `emoji` takes the sender's reaction back.

    `at_ms` is the sender's time in milliseconds, where it is known: of two reactions by one person the
    later one counts.
    """

    type: ClassVar = "reaction"
    target: Target
    emoji: Emoji
    at_ms: Hidden[int] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Pin:
    """Shows a message at the top of its chat, for all who are in it; `seconds` of 0 end that.

    `at_ms` is as that of a reaction: of two pins of one message the later one counts, of any sender.
    """

    type: ClassVar = "pin"
    target: Target
    seconds: PinSeconds
    at_ms: Hidden[int] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the words of a text of the same author."""

    type: ClassVar = "edit"
    target: Target
    text: Words


@dataclass(frozen=True, slots=True)
class Delete:
    """The author takes a message back, for everyone."""

    type: ClassVar = "delete"
    target: Target


@dataclass(frozen=True, slots=True)
class ReadMark:
    """A mark that the account read messages of a chat.

    `targets` with their authors; or without any, the messages that came until `until` by WhatsApp's times;
    or without that either, those that had arrived here by `arrived`. Both in seconds since the epoch.
    """

    type: ClassVar = "read_mark"
    targets: tuple[Target, ...] = ()
    until: float | None = None
    arrived: float | None = None


@dataclass(frozen=True, slots=True)
class ChatChange:
    """Settings of a chat that the account changes.

    None: that one stays. `muted_until` is in seconds since the epoch; without it a mute has no end.
    """

    type: ClassVar = "chat_change"
    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted: bool | None = None
    muted_until: float | None = None


@dataclass(frozen=True, slots=True)
class Star:
    """A message that the account stars for itself, on all its devices, or takes the star from."""

    type: ClassVar = "star"
    target: Target
    starred: bool


SettingChange = ChatChange | Star
"""Changes of the account's own settings, which its devices share as app state."""

Notice = ReadMark | SettingChange
NOTICES: Final = frozenset({str(kind.type) for kind in (ReadMark, ChatChange, Star)})


@dataclass(frozen=True, slots=True)
class Other:
    """A kind of which only the name and the text are known."""

    kind: str
    text: str | None = None
    reply_to: Quote | None = None

    @property
    def type(self) -> str:
        return self.kind


Change = PollVote | Reaction | Pin | Edit | Delete
CHANGE_TYPES: Final = frozenset(kind.type for kind in get_args(Change))
"""Changes of another message, which are no messages themselves; and their types."""

Sendable = Text | Location | Contact | Media | Poll | Change
"""The kinds that can be sent."""

Content = Sendable | Notice | Other

Worded = Text | Image | Video | Document
"""The kinds with a text or a caption, in which people may be mentioned."""

Forwardable = Text | Location | Contact | Media
"""The kinds that can be forwarded. `forwarding_score` is WhatsApp's count of that, None where it was not.

It is 0 of one that forwards an own message, which WhatsApp does not mark.
"""

CONTENT_KINDS: Final[Mapping[str, type[Sendable]]] = {
    kind.type: kind for kind in get_args(Sendable)
}
_DECODED: Final[Mapping[str, Any]] = {
    **CONTENT_KINDS,
    **{kind.type: kind for kind in get_args(Notice)},
}


def forward_score(before: int | None, *, own: bool) -> int:
    """The score of a message that is forwarded; `before` is its own, None where it was not forwarded.

    Forwarding an own message does not count: 0, which clients do not mark, unless it was forwarded already.
    """
    counted = (before or 0) + (0 if own else 1)
    return MANY_TIMES if counted >= MANY else counted


def text_of(content: Content) -> str | None:
    """The text or caption of the message as a person reads it; None for kinds without one.

    An edit has none: its words are those of the message that it changes.
    """
    if isinstance(content, Image | Video | Document):
        return content.caption
    return content.text if isinstance(content, Text | Other) else None


def file_of(content: Content) -> File | None:
    """The file that it brings, where it brings one."""
    return content.file if isinstance(content, Media) else None


def reworded(content: Worded, change: Callable[[str], str]) -> Worded:
    """The content after a change of its text or caption, where it has one."""
    if isinstance(content, Text):
        return replace(content, text=change(content.text))
    return content if content.caption is None else replace(content, caption=change(content.caption))


def is_plain(content: Content) -> bool:
    """Whether `type` and `text` say it all."""
    if isinstance(content, Text):
        return content == Text(content.text)
    return isinstance(content, Other) and content.reply_to is None


def encode(content: Content) -> str:
    """The content as JSON."""
    return json.dumps(
        {"v": VERSION, "type": content.type, **_plain(content)},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def decode(encoded: str) -> Content:
    """The content that was encoded. Raises `UnknownContent`."""
    try:
        return unpack(json.loads(encoded))
    except json.JSONDecodeError:
        raise UnknownContent("no JSON") from None


def without_preview(encoded: str) -> str:
    """The encoded content but for the preview of a link, which may be another one each time that it is fetched."""
    try:
        content = decode(encoded) if encoded else None
    except UnknownContent:
        return encoded
    if not isinstance(content, Text) or content.link_preview is None:
        return encoded
    content = replace(content, link_preview=None)
    return "" if is_plain(content) else encode(content)


def pack(content: Content) -> dict[str, Any]:
    """The content as a JSON object."""
    return cast("dict[str, Any]", json.loads(encode(content)))


def unpack(packed: Mapping[str, Any]) -> Content:
    """The content that was packed. Raises `UnknownContent`."""
    try:
        if packed["v"] != VERSION:
            raise UnknownContent("of another version")
        return _content(packed)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnknownContent("not understood") from None


def _content(packed: Mapping[str, Any]) -> Content:
    kind = _DECODED.get(packed["type"])
    if kind is None or "kind" in packed:
        kind = Other
    given = ((each.name, packed.get(each.name)) for each in fields(kind))
    readers = ((name, value, _READERS.get(name)) for name, value in given if value is not None)
    values = {name: read(value) if read else value for name, value, read in readers}
    return cast("Content", kind(**values))


def _target(packed: Mapping[str, Any]) -> Target:
    return Target(packed["message_id"], packed.get("sender"))


def _quote(packed: Mapping[str, Any]) -> Quote:
    return Quote(_target(packed["target"]), packed.get("text"), packed["type"])


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "target": _target,
    "targets": lambda packed: tuple(map(_target, packed)),
    "reply_to": _quote,
    "file": lambda packed: File(**packed),
    "link_preview": lambda packed: LinkPreview(**packed),
    "cards": lambda packed: tuple(Card(each["name"], each["vcard"]) for each in packed),
    "options": tuple,
    "mentions": lambda packed: packed if packed == EVERYBODY else tuple(packed),
    "kind": str,
}
"""Fields that JSON has in another form, by name."""


def _plain(value: Any) -> Any:
    """Dataclasses as objects without what is None; tuples as lists."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    named = ((each.name, getattr(value, each.name)) for each in fields(value))
    return {name: _plain(each) for name, each in named if each is not None}
