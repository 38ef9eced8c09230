"""Searches the texts of a connection's newest messages for a list of its chats.

Neither SQLite nor Firestore has an index of words here, so that a search reads messages one by one: as many as a page of
100 ms has room for, and fewer where each document is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from actors.messages.content import CHANGE_TYPES
from actors.state.documents import MESSAGES, Order, Where
from actors.state.messages.applied_changes import is_early
from gateway.schemas.content.content_presenters import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Cursor, Document, Documents

TEXTS_SEARCHED: Final = 1_000
"""Messages of a connection, the newest, whose texts a search looks at."""

BILLED_TEXTS_SEARCHED: Final = 200
"""The same where each document is paid for (Firestore)."""

TEXTS_AT_ONCE: Final = 50
"""Messages that are read at once: a stranger may have written all of them, of some hundred kilobytes each."""


@dataclass(frozen=True, slots=True)
class FoundTexts:
    """The newest message with the words in each chat, and the time of the oldest one that was looked at, None after all."""

    by_chat: Mapping[str, Document] = field(default_factory=dict)
    since: float | None = None


async def search_texts(documents: Documents, connection: str, words: str) -> FoundTexts:
    """Look through the newest messages; those that were deleted have no text. Raises `StoreAway`."""
    found: dict[str, Document] = {}
    wanted = folded(words)
    after: Cursor | None = None
    left = BILLED_TEXTS_SEARCHED if documents.billed else TEXTS_SEARCHED
    while True:
        page = await documents.query(
            MESSAGES,
            where=[Where("connection", "==", connection)],
            order=[Order("at", descending=True)],
            limit=min(left, TEXTS_AT_ONCE),
            after=after,
        )
        for each in page.items:
            chat = each["chat"]
            if chat in found or each["type"] in CHANGE_TYPES or is_early(each):
                continue
            if wanted in folded(text_of(each) or ""):
                found[chat] = each
        after, left = page.next, left - len(page.items)
        if after is None or not left:
            return FoundTexts(found, None if after is None else page.items[-1]["at"])


def folded(text: str) -> str:
    """The text for comparisons: in any case, and each accented letter as one character, however it was typed."""
    return normalize("NFC", text.casefold())
