"""Searches the texts of a connection's newest messages for a list of its chats.

Neither SQLite nor Firestore has an index of words here, so that a search reads messages one by one: as many as a page of
100 ms has room for, and fewer where each document is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.messages.content import CHANGE_TYPES
from actors.state.documents import MESSAGES, Order, Where
from actors.state.messages.applied_changes import is_early
from gateway.schemas.content.content_presenters import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document, Documents

TEXTS_SEARCHED: Final = 1_000
"""Messages of a connection, the newest, whose texts a search looks at."""

BILLED_TEXTS_SEARCHED: Final = 200
"""The same where each document is paid for (Firestore)."""


@dataclass(frozen=True, slots=True)
class FoundTexts:
    """The newest message with the words in each chat, and the time of the oldest one that was looked at, None after all."""

    by_chat: Mapping[str, Document] = field(default_factory=dict)
    since: float | None = None


async def search_texts(documents: Documents, connection: str, words: str) -> FoundTexts:
    """Look through the newest messages; those that were deleted have no text. Raises `StoreAway`."""
    page = await documents.query(
        MESSAGES,
        where=[Where("connection", "==", connection)],
        order=[Order("at", descending=True)],
        limit=BILLED_TEXTS_SEARCHED if documents.billed else TEXTS_SEARCHED,
    )
    found: dict[str, Document] = {}
    wanted = words.casefold()
    for each in page.items:
        chat = each["chat"]
        if chat in found or each["type"] in CHANGE_TYPES or is_early(each):
            continue
        if wanted in (text_of(each) or "").casefold():
            found[chat] = each
    return FoundTexts(found, page.items[-1]["at"] if page.next is not None else None)
