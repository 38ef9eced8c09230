"""Serves the API route that lists and searches a connection's chats, with newest messages, from SQLite or Firestore.

A chat of a page costs its document, its newest message's and the contact's; a
search costs as much for each chat that it looks at, the message that it found there, and with its first page the newest
messages of the connection (`text_search`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from actors.messages.content import CHANGE_TYPES
from actors.state.account.app_state import document_id
from actors.state.account.app_state import name_of as contact_name
from actors.state.documents import CHATS, CONTACTS, MESSAGES, PAGE_BYTES, Order, Where, size_of
from actors.state.messages.applied_changes import is_early
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.response_base import rfc3339
from gateway.schemas.content.content_presenters import text_of
from gateway.schemas.people import chats
from gateway.schemas.people.chats import SEARCHED_CHATS, ListAllChats
from gateway.text_search import FoundTexts, folded, has_words

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.state.documents import Document, Documents

_AFTER_A_MOVE: Final = 5
"""Messages that are looked at where a chat has another address and nothing was said since."""

_CHATS_AT_ONCE: Final = 50
"""Chats that are read at once: the newest messages of all may be as long as messages get."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A chat's document, that of its newest message, that of one that a search found, the name in the address book."""

    document: Document
    last: Document | None
    match: Document | None
    contact: str | None


async def listed(call: ApiRequest[None, ListAllChats]) -> Response:
    """Answer with chats, newest first; a search reads at most `SEARCHED_CHATS` documents for a page."""
    query, documents = call.query, call.backends.documents
    connection = await resolve(call, query.connection, fresh=True)
    found: list[_Row] = []
    texts, search = FoundTexts(), query.search
    if search is not None:
        later = query.after is not None
        texts = await call.backends.texts.find(connection.id, search, later=later)
    after, looked, size = query.after, 0, 0
    while True:
        # It asks for no more than fit: a page ends where its last chat does.
        page = await documents.query(
            CHATS,
            where=[Where("connection", "==", connection.id)],
            order=[Order("active_at", descending=True)],
            limit=min(query.limit - len(found), SEARCHED_CHATS - looked, _CHATS_AT_ONCE),
            after=after,
        )
        after, looked = page.next, looked + len(page.items)
        rows = await asyncio.gather(*(_row(documents, each, texts) for each in page.items))
        size += sum(size_of(each.last) + size_of(each.match) for each in rows)
        found += rows if search is None else await asyncio.to_thread(_matching, search, rows)
        enough = len(found) >= query.limit if search is None else 2 * len(found) > query.limit
        if after is None or enough or looked >= SEARCHED_CHATS or size >= PAGE_BYTES:
            return await asyncio.to_thread(_shown, found, texts, after)


def _shown(rows: list[_Row], texts: FoundTexts, following: str | None) -> Response:
    now = time.time()
    items = [
        chats.chat(each.document, each.last, each.contact, now=now, match=each.match)
        for each in rows
    ]
    since = rfc3339(texts.since)
    return written(chats.ListedChats(items=items, texts_since=since, next=following))


async def _row(documents: Documents, document: Document, texts: FoundTexts) -> _Row:
    named = not document["chat"].endswith("@g.us")
    id_ = document_id(document["connection"], document["chat"])
    match = texts.by_chat.get(document["chat"])
    is_last = match is not None and match == document.get("last")
    last, other, contact = await asyncio.gather(
        _last(documents, document),
        _message(documents, document["connection"], None if is_last else match),
        documents.get(CONTACTS, id_) if named else _nobody(),
    )
    return _Row(document, last, last if is_last else other, contact_name(contact))


def _matching(search: str, rows: list[_Row]) -> list[_Row]:
    """The rows that a search finds."""
    found, words = [], folded(search)
    for row in rows:
        # It may have been deleted, or edited, since the first page found it.
        match = row.match if row.match is not None and has_words(row.match, words) else None
        text = None if row.last is None else text_of(row.last)
        name = chats.name_of(row.document, row.contact)
        if match is not None or fits(search, row.document["chat"], name, text):
            found.append(replace(row, match=match))
    return found


async def _message(documents: Documents, connection: str, id_: str | None) -> Document | None:
    found = None if id_ is None else await documents.get(MESSAGES, id_)
    mine = found is not None and found["connection"] == connection
    return found if mine and found is not None and not is_early(found) else None


async def _last(documents: Documents, document: Document) -> Document | None:
    if document.get("last") is not None:
        return await _message(documents, document["connection"], document["last"])
    page = await documents.query(
        MESSAGES,
        where=[
            Where("connection", "==", document["connection"]),
            Where("chat", "==", document["chat"]),
        ],
        order=[Order("at", descending=True)],
        limit=_AFTER_A_MOVE,
    )
    return next((each for each in page.items if each["type"] not in CHANGE_TYPES), None)


async def _nobody() -> None:
    return None


def fits(search: str, address: str, *texts: str | None) -> bool:
    """Whether one of the texts has the words, or the address has the digits, however they are written."""
    words = folded(search)
    if any(words in folded(each) for each in texts if each is not None):
        return True
    digits = search.translate(_APART)
    return digits.isdecimal() and digits in address.partition("@")[0]


_APART: Final = str.maketrans("", "", "+ ()-")

OPERATIONS = (
    Operation(
        "GET",
        "/api/chats",
        "listAllChats",
        "The chats of a connection, that with the newest message first",
        "account",
        listed,
        {200: Gives("A page of chats.", chats.ListedChats)},
        "read",
        query=ListAllChats,
        refuses=("unknown_connection", "invalid_cursor", "store_away"),
    ),
)
