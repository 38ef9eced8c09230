"""Searches the texts of a connection's newest messages for a list of its chats.

Neither SQLite nor Firestore has an index of words here, so that a search reads messages one by one, and fewer where each
document is paid for. Texts are anybody's: they are compared in a thread, in time that grows with their length alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from unicodedata import combining, normalize

from actors.messages.content import CHANGE_TYPES
from actors.runtime.limits.bounded_map import BoundedMap
from actors.state.documents import MESSAGES, PAGE_BYTES, Order, Where
from actors.state.messages.applied_changes import is_early
from gateway.schemas.content.content_presenters import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Cursor, Document, Documents

TEXTS_SEARCHED: Final = 1_000
"""Messages of a connection, the newest, whose texts a search looks at."""

BILLED_TEXTS_SEARCHED: Final = 200
"""The same where each document is paid for (Firestore)."""

CHARACTERS_SEARCHED: Final = 1_000_000
"""Characters of those texts after which a search ends, too: about a second in a thread, whatever they are."""

TEXTS_AT_ONCE: Final = 50
"""Messages that are read at once: a stranger may have written all of them, of some hundred kilobytes each."""

PIECE: Final = 32
"""Characters that are decomposed at once: NFKD takes time with the square of a run of marks."""

MOST_SEARCHES: Final = 32
"""Searches whose finds are remembered for their later pages, by id: 0.2 MB each at most."""


@dataclass(frozen=True, slots=True)
class FoundTexts:
    """The id of the newest message with the words in each chat, and the time of the oldest one that was looked at, None after all."""

    by_chat: Mapping[str, str] = field(default_factory=dict)
    since: float | None = None


class TextSearches:
    """Searches texts once for all pages of a list: a later page gets what the first one found.

    It searches anew where `MOST_SEARCHES` others were begun since, and in another process.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._found = BoundedMap[tuple[str, str], FoundTexts](MOST_SEARCHES)

    async def find(self, connection: str, words: str, *, later: bool) -> FoundTexts:
        """The messages with the words; `later`: for a page behind the first one. Raises `StoreAway`."""
        key = connection, folded(words)
        found = self._found.get(key) if later else None
        if found is None:
            found = await self._search(*key)
        self._found[key] = found
        return found

    async def _search(self, connection: str, wanted: str) -> FoundTexts:
        """Look through the newest messages; those that were deleted have no text."""
        found: dict[str, str] = {}
        after: Cursor | None = None
        left = BILLED_TEXTS_SEARCHED if self._documents.billed else TEXTS_SEARCHED
        characters = CHARACTERS_SEARCHED
        while True:
            page = await self._documents.query(
                MESSAGES,
                where=[Where("connection", "==", connection)],
                order=[Order("at", descending=True)],
                limit=min(left, TEXTS_AT_ONCE),
                most_bytes=PAGE_BYTES,
                after=after,
            )
            characters -= await asyncio.to_thread(_add_found, found, page.items, wanted)
            after, left = page.next, left - len(page.items)
            if after is None or not left or characters <= 0:
                return FoundTexts(found, None if after is None else page.items[-1]["at"])


def _add_found(found: dict[str, str], messages: list[Document], wanted: str) -> int:
    """Add the newest message with the words of each chat; return how many characters were looked at."""
    characters = 0
    for each in messages:
        if each["chat"] in found or each["type"] in CHANGE_TYPES or is_early(each):
            continue
        characters += len(text_of(each) or "")
        if has_words(each, wanted):
            found[each["chat"]] = each["id"]
    return characters


def has_words(message: Document, wanted: str) -> bool:
    """Whether the text of a message has the words, which are `folded`."""
    return wanted in folded(text_of(message) or "")


def folded(text: str) -> str:
    """The text for comparisons: in any case, letters without their marks, and each form of a character as the plain one.

    The time grows with the length alone: marks go, so that their order, which NFKD sorts, is of no account between pieces.
    A text of marks alone stays: nothing would be in every text.
    """
    if text.isascii():
        return text.casefold()
    pieces = (normalize("NFKD", text[at : at + PIECE]) for at in range(0, len(text), PIECE))
    plain = "".join(each for piece in pieces for each in piece if not combining(each))
    return plain.casefold() or text
