"""Counts how often a message was forwarded, as WhatsApp's clients count (pure)."""

from __future__ import annotations

from typing import Final

MANY: Final = 5
MANY_TIMES: Final = 127
"""The score of a message that was forwarded `MANY` times or more: clients show it as such, and count no further."""


def score_of(before: int | None, *, own: bool) -> int:
    """The score of a message that is forwarded; `before` is its own, None where it was not forwarded.

    Forwarding an own message does not count: 0, which clients do not mark, unless it was forwarded already.
    """
    counted = (before or 0) + (0 if own else 1)
    return MANY_TIMES if counted >= MANY else counted
