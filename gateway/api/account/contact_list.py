"""Serves the API route that lists and searches people from SQLite or Firestore: the address book, then other chats.

A person costs one document, and one of a chat two: the address book is looked up for each, so that nobody is
listed twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.state.account.app_state import document_id
from actors.state.documents import CHATS, CONTACTS, InvalidCursor, Order, Where
from gateway.api.account.chat_list import fits
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.schemas.people import contacts
from gateway.schemas.people.chats import SEARCHED_CHATS
from gateway.schemas.people.contacts import ListAllContacts, ListedContact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from actors.state.documents import Document, Documents

_BOOK, _CHATS = "book.", "chats."
"""Each begins the cursors of one part of the list."""

_PARTS: Final = {
    _BOOK: (CONTACTS, Order("sort_name")),
    _CHATS: (CHATS, Order("active_at", descending=True)),
}


async def listed(call: ApiRequest[None, ListAllContacts]) -> Response:
    """Answer with people: those of the address book by name, then others with a chat, newest first."""
    query, documents = call.query, call.backends.documents
    connection = await resolve(call, query.connection, fresh=True)
    part, after = _place(query.after)
    found: list[ListedContact] = []
    looked = 0
    while True:
        collection, order = _PARTS[part]
        page = await documents.query(
            collection,
            where=[Where("connection", "==", connection.id)],
            order=[order],
            limit=min(query.limit - len(found), SEARCHED_CHATS - looked),
            after=after,
        )
        looked += len(page.items)
        people = await asyncio.gather(
            *(_person(documents, connection.id, each) for each in page.items)
        )
        found += await asyncio.to_thread(_found, people, query.search)
        after = page.next
        if after is None and part == _CHATS:
            return written(contacts.ListedContacts(items=found, next=None))
        if after is None:
            part = _CHATS
        # A search, and people who are in both parts, leave pages that are not full; half of one is enough.
        if 2 * len(found) > query.limit or looked >= SEARCHED_CHATS:
            return written(contacts.ListedContacts(items=found, next=part + (after or "")))


def _place(cursor: str | None) -> tuple[str, str | None]:
    """The part of the list that the cursor is in, and the store's own cursor. Raises `InvalidCursor`."""
    for part in _PARTS:
        if cursor is None or cursor.startswith(part):
            return part, (cursor or "").removeprefix(part) or None
    raise InvalidCursor("not a cursor of this list")


async def _person(
    documents: Documents, connection: str, document: Document
) -> ListedContact | None:
    """The person of a document of either collection; None for a group, and for a chat whose person is in the address book."""
    if "chat" not in document:
        return contacts.saved(document)
    chat = document["chat"]
    if chat.endswith("@g.us"):
        return None
    book = await documents.get(CONTACTS, document_id(connection, chat))
    if book is not None and contacts.saved(book) is not None:
        return None
    return contacts.of_chat(document)


def _found(people: Iterable[ListedContact | None], search: str | None) -> list[ListedContact]:
    """The people of the list, and of a search those with its words in a name."""
    return [
        each
        for each in people
        if each is not None
        and (
            search is None or fits(search, each.address, each.name, each.full_name, each.first_name)
        )
    ]


OPERATIONS = (
    Operation(
        "GET",
        "/api/contacts",
        "listAllContacts",
        "People whom the account knows: of the address book by name, then others with a chat, the newest first",
        "account",
        listed,
        {200: Gives("A page of people.", contacts.ListedContacts)},
        "read",
        query=ListAllContacts,
        refuses=("unknown_connection", "invalid_cursor", "store_away"),
    ),
)
