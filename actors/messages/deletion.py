"""The end of a message for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.references import Target

DELETE_SECONDS = 60 * 3600.0
"""Seconds after it was sent for which a message may be deleted for everyone, as in WhatsApp's clients."""


@dataclass(frozen=True, slots=True)
class Delete:
    """The author takes a message back, for everyone."""

    type: ClassVar = "delete"
    target: Target
