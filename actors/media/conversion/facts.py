"""Declares what the head of a file tells of it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Facts:
    """`plays`: WhatsApp's apps play it as it is. The length is in whole seconds, the size in pixels as it is shown."""

    plays: bool
    seconds: int | None = None
    width: int | None = None
    height: int | None = None

    @property
    def played(self) -> Facts:
        """The same of a file that is sent whatever its format."""
        return replace(self, plays=True)
