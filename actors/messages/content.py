"""Defines message content as one union of typed values, and encodes and decodes it as versioned JSON.

Each kind is declared once, in the module of its noun. The queue's record, the inbox and the stored document have it as
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
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from actors.messages.change_content import (
    DELETE_SECONDS,
    EDIT_SECONDS,
    Delete,
    Edit,
    Pin,
    Reaction,
)
from actors.messages.contact import Card, Contact
from actors.messages.files import Audio, Document, File, Image, Media, Sticker, Video, is_voice_note
from actors.messages.forward_count import MANY_TIMES
from actors.messages.location import Location
from actors.messages.mentions import EVERYBODY, MOST_MENTIONS, Mentions
from actors.messages.poll import Poll, PollVote
from actors.messages.queued_actions import (
    NOTICES,
    ChatChange,
    Notice,
    ReadMark,
    SettingChange,
    Star,
)
from actors.messages.references import MINTED, QUOTE_EXCERPT, LinkPreview, Quote, Target
from actors.messages.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CHANGE_TYPES",
    "CONTENT_KINDS",
    "DELETE_SECONDS",
    "EDIT_SECONDS",
    "EVERYBODY",
    "MANY_TIMES",
    "MINTED",
    "MOST_MENTIONS",
    "NOTICES",
    "QUOTE_EXCERPT",
    "Audio",
    "Card",
    "Change",
    "ChatChange",
    "Contact",
    "Content",
    "Delete",
    "Document",
    "Edit",
    "File",
    "Forwardable",
    "Image",
    "LinkPreview",
    "Location",
    "Media",
    "Mentions",
    "Notice",
    "Other",
    "Pin",
    "Poll",
    "PollVote",
    "Quote",
    "Reaction",
    "ReadMark",
    "Sendable",
    "SettingChange",
    "Star",
    "Sticker",
    "Target",
    "Text",
    "UnknownContent",
    "Video",
    "Worded",
    "decode",
    "encode",
    "file_of",
    "is_plain",
    "is_voice_note",
    "pack",
    "reworded",
    "text_of",
    "unpack",
    "without_preview",
]  # fmt: skip

VERSION: Final = 1


class UnknownContent(ValueError):
    """No content, or one of a newer release. The message says no more, for it may be logged."""


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
