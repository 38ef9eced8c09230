"""Defines the message content type of shared contacts, a list of vCards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Hidden, Line, Vcard
    from actors.messages.references import Quote


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
