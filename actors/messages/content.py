"""Content of a message: typed, and one form from the API to WhatsApp and back.

The same content is validated by the API, kept in the queue's record, encrypted by an engine; and
read by an engine, kept in the inbox, stored and shown. In between it is JSON (`encode`, `decode`)
that names its version, so that what one release wrote another either understands or refuses.

Content says nothing of the envelope: chat, sender, time and id are beside it, and a `Target` names
its author itself. So a group is another chat. Reactions and votes alone bring a time, by which the last
of a person is known; it is no part of what they say, and two of different times are equal. A kind with a file names it by what it holds (`File`);
its bytes are in `actors.media`, and nowhere in the content.

None of these may be logged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1

MINTED = re.compile(r"3EB0[0-9A-F]{18}\Z")
"""The WhatsApp ids that this service gives (`queue.record.mint`); WhatsApp Web's are like them."""

EDIT_SECONDS = 15 * 60.0
"""How long after it was sent a text may be edited: WhatsApp's own clients show no later edit."""

DELETE_SECONDS = 60 * 3600.0
"""How long after it was sent a message may be deleted for everyone, as in WhatsApp's clients."""


class UnknownContent(ValueError):  # noqa: N818 - reads as what it is
    """No content, or one of a newer release. The message says no more, for it may be logged."""


@dataclass(frozen=True, slots=True)
class Target:
    """Another message of the same chat. `sender` None: this service sent it, under its own id.

    Otherwise the canonical address of its author; the account's, where its phone sent it.
    """

    message_id: str
    sender: str | None


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply quotes. `text` is shown with it, where it is known; `type` is its kind."""

    target: Target
    text: str | None = None
    type: str = "text"


@dataclass(frozen=True, slots=True)
class Text:
    type: ClassVar = "text"
    text: str
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees; north and east are positive."""

    type: ClassVar = "location"
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    vcard: str


@dataclass(frozen=True, slots=True)
class Contact:
    type: ClassVar = "contact"
    cards: tuple[Card, ...]
    reply_to: Quote | None = None


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
    type: ClassVar = "image"
    file: File
    caption: str | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """`seconds` is how long it lasts, where that is known."""

    type: ClassVar = "video"
    file: File
    caption: str | None = None
    seconds: int | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """`voice`: a voice note, rather than a file of sound."""

    type: ClassVar = "audio"
    file: File
    voice: bool = False
    seconds: int | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Document:
    type: ClassVar = "document"
    file: File
    caption: str | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Sticker:
    type: ClassVar = "sticker"
    file: File
    animated: bool = False
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """`choices` is how many options one may choose, 0 any number; `secret` (hex) keys the votes."""

    type: ClassVar = "poll"
    question: str
    options: tuple[str, ...]
    choices: int = 0
    secret: str | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """An empty `emoji` takes the sender's reaction back.

    `at_ms` is the sender's time in milliseconds, where it is told: of two reactions by one person the
    later one counts.
    """

    type: ClassVar = "reaction"
    target: Target
    emoji: str
    at_ms: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Edit:
    """The author's other words for a text of his."""

    type: ClassVar = "edit"
    target: Target
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """The author takes a message back, for everyone."""

    type: ClassVar = "delete"
    target: Target


@dataclass(frozen=True, slots=True)
class PollVote:
    """The options that a voter chooses in a poll, in place of their earlier ones.

    `options` None: it could not be read. `secret` (hex) is the poll's, in a vote that is to be sent.
    `at_ms` is the sender's time in milliseconds, where it is told: of two votes the later one counts.
    """

    type: ClassVar = "poll_vote"
    target: Target
    options: tuple[str, ...] | None = None
    secret: str | None = None
    at_ms: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ReadMark:
    """A mark that the account read messages of a chat; it waits in the queue as a message does, and is none.

    `targets` with their authors; or without any, what WhatsApp's times say came until `until`; or
    without that either, all that had arrived here by `arrived`. Both in seconds since the epoch.
    """

    type: ClassVar = "read_mark"
    targets: tuple[Target, ...] = ()
    until: float | None = None
    arrived: float | None = None


@dataclass(frozen=True, slots=True)
class ChatChange:
    """Settings of a chat that the account changes; it waits in the queue as a message does, and is none.

    None: that one stays. `muted_until` is in seconds since the epoch; without it a mute has no end.
    """

    type: ClassVar = "chat_change"
    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted: bool | None = None
    muted_until: float | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """A kind that only its name and its text is known of."""

    kind: str
    text: str | None = None
    reply_to: Quote | None = None

    @property
    def type(self) -> str:
        return self.kind


Media = Image | Video | Audio | Document | Sticker
"""What brings a file with it."""

Content = (
    Text
    | Location
    | Contact
    | Media
    | Poll
    | Reaction
    | Edit
    | Delete
    | PollVote
    | ReadMark
    | ChatChange
    | Other
)
Change = Reaction | Edit | Delete | PollVote
"""What changes another message rather than standing for itself."""

Notice = ReadMark | ChatChange
"""Content that tells WhatsApp of the account's own dealings with a chat: no message."""

NOTICES: Final = frozenset({str(ReadMark.type), str(ChatChange.type)})

_KINDS: Final[Mapping[str, Any]] = {
    str(kind.type): kind
    for kind in (
        *(Text, Location, Contact, Poll, Reaction, Edit, Delete, PollVote, ReadMark, ChatChange),
        *(Image, Video, Audio, Document, Sticker),
    )
}
MEDIA_KINDS: Final = frozenset({"image", "video", "audio", "document", "sticker"})
KINDS: Final = MEDIA_KINDS | {
    *("text", "location", "contact", "poll", "poll_vote", "reaction", "edit", "delete"),
}
"""The kinds that can be sent."""


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


def is_plain(content: Content) -> bool:
    """Whether `type` and `text` say it all."""
    return isinstance(content, Text | Other) and content.reply_to is None


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
    kind = _KINDS.get(packed["type"])
    if kind is None or "kind" in packed:
        return Other(str(packed["kind"]), packed.get("text"), _quote(packed.get("reply_to")))
    names = {each.name for each in fields(kind)}
    values = {name: value for name, value in packed.items() if name in names}
    if "target" in names:
        values["target"] = _target(values["target"])
    if "targets" in values:
        values["targets"] = tuple(_target(each) for each in values["targets"])
    if values.get("reply_to") is not None:
        values["reply_to"] = _quote(values["reply_to"])
    if "file" in names:
        values["file"] = File(**values["file"])
    if "cards" in names:
        values["cards"] = tuple(Card(card["name"], card["vcard"]) for card in values["cards"])
    if values.get("options") is not None:
        values["options"] = tuple(values["options"])
    return cast("Content", kind(**values))


def _target(packed: Mapping[str, Any]) -> Target:
    return Target(packed["message_id"], packed.get("sender"))


def _quote(packed: Mapping[str, Any] | None) -> Quote | None:
    if packed is None:
        return None
    return Quote(_target(packed["target"]), packed.get("text"), packed["type"])


def _plain(value: Any) -> Any:
    """Dataclasses as objects without what is None; tuples as lists."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    named = ((each.name, getattr(value, each.name)) for each in fields(value))
    return {name: _plain(each) for name, each in named if each is not None}
