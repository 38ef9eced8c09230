"""A reaction to a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Emoji, Hidden
    from actors.messages.references import Target


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
