"""A text, and its edit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Words
    from actors.messages.references import Quote, Target

EDIT_SECONDS = 15 * 60.0
"""Seconds after it was sent for which a text may be edited: WhatsApp's own clients show no later edit."""


@dataclass(frozen=True, slots=True)
class Text:
    type: ClassVar = "text"
    text: Words
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the words of a text of the same author."""

    type: ClassVar = "edit"
    target: Target
    text: Words
