"""Declares the facts that the head of a file gives: whether apps play it, its length, its size in pixels."""

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
        """The same facts, of a file that is sent as it is, whatever its format."""
        return replace(self, plays=True)
