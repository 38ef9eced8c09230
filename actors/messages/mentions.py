"""Defines the people whom a message mentions: some by their addresses, or everybody in the group."""

from __future__ import annotations

from typing import Final, Literal

EVERYBODY: Final = "all"

MOST_MENTIONS: Final = 1024
"""People whom one message mentions at most: a group of WhatsApp has as many members."""

Mentions = tuple[str, ...] | Literal["all"]
"""Canonical addresses, or `EVERYBODY`: those who are in the group when the message leaves."""
