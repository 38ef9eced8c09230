"""Defines the content types that change another message: reaction, pin, edit and delete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Emoji, Hidden, PinSeconds, Words
    from actors.messages.references import Target

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
