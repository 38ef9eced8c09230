"""Defines the message content type of a plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Hidden, Words
    from actors.messages.mentions import Mentions
    from actors.messages.references import LinkPreview, Quote


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `link_preview` shows the page of its first link."""

    type: ClassVar = "text"
    text: Words
    reply_to: Quote | None = None
    mentions: Mentions | None = None
    forwarding_score: Hidden[int] | None = None
    link_preview: LinkPreview | None = None
