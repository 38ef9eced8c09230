"""Declares a WhatsApp engine's methods to set aside, list, retry and discard inbox items the state store refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED_EXCERPT: Final = 200
"""Characters of an item's text that are shown."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that is set aside: on disk, and in no list of pending ones.

    `kind` is that of the inbox (`engine.InboxKind`), `type` that of the message or of the receipt. `at` is
    WhatsApp's time and `refused_at` that of setting it aside, in seconds since the epoch; `size` is that of
    its words, in bytes, `excerpt` the beginning of them.
    """

    key: int
    kind: str
    chat: str
    sender: str
    message_id: str
    type: str
    at: float
    refused_at: float
    size: int
    excerpt: str | None


class RefusedItems(Protocol):
    """Each change is on disk when it returns; each may be repeated."""

    async def set_aside(self, key: int) -> bool:
        """Take the item out of the pending ones; it stays until a person decides.

        False, and it stays pending, where no more have room aside.
        """

    async def refused_items(self, limit: int, after: int) -> Sequence[RefusedItem]:
        """Items that are set aside, in the order of their arrival, behind the key `after`."""

    async def retry_refused(self, key: int) -> bool:
        """Make the item pending again, at its old place; False where it is not set aside."""

    async def count_words(self, sender: str, size: int) -> None:
        """Count the bytes of a file that has a message's words among those of files that came from this sender today."""

    async def discard_refused(self, key: int) -> bool:
        """Forget the item, which nobody gets any more; False where it is not set aside."""
