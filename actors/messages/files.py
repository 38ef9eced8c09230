"""Defines the content types of messages with a file: image, video, audio, document, sticker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Animated, Caption, Hidden, Seconds, Voice
    from actors.messages.mentions import Mentions
    from actors.messages.references import Quote


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
