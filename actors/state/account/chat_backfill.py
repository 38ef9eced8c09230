"""Creates chat documents that connections of older releases lack (SQLite or Firestore), at the StateManager's start."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.runtime.backoff import persist
from actors.runtime.connection_ids import id_in
from actors.state.account import chat_activity
from actors.state.connections import updating
from actors.state.documents import CONNECTIONS, MESSAGES, InvalidCursor, Order, StoreAway, Where
from actors.state.messages.applied_changes import is_early

if TYPE_CHECKING:
    from actors.state.account.chat_activity import Activity
    from actors.state.documents import Document, Documents, Write

BACKFILL_PAGE: Final = 400
"""Messages that are read at a time; with the chats and the place they fit into one batch."""

BACKFILL_PAUSE_SECONDS: Final = 0.1
"""Seconds between two pages, so that other writers have their turn."""

RETRY_PAUSE: Final = 60.0
"""Seconds until the next try where the store is away."""

log = structlog.get_logger()


async def run(documents: Documents) -> None:
    """Note the chats of all connections that lack them, until that is done. A kill loses one page at most.

    A message that no list could show is passed over, and a connection whose chats the store refuses until the
    next start; the others are done.
    """
    step = partial(_of_all, documents, set())
    await persist(step, StoreAway, first=RETRY_PAUSE, longest=RETRY_PAUSE)


async def _of_all(documents: Documents, passed_over: set[str]) -> None:
    for document in (await documents.query(CONNECTIONS)).items:
        lacks = document.get("chats_backfill", "") is not None and not document["deleted"]
        if lacks and id_in(document) not in passed_over:
            await _of_connection(documents, document, passed_over)


async def _of_connection(documents: Documents, document: Document, passed_over: set[str]) -> None:
    connection = id_in(document)
    try:
        try:
            await _note(documents, connection, document.get("chats_backfill") or None)
        except InvalidCursor:
            await _note(documents, connection, None)
    except ValueError as error:  # it would come again at once
        passed_over.add(connection)
        log.error(  # noqa: TRY400 - the kind says it
            "chats not noted",
            action="chat_backfill",
            connection=connection,
            kind=type(error).__name__,
        )


async def _note(documents: Documents, connection: str, after: str | None) -> None:
    """Newest messages first, with the place in the same batch as the chats of a page; none is unread."""
    noted = set[str]()
    while True:
        page = await documents.query(
            MESSAGES,
            where=[Where("connection", "==", connection)],
            order=[Order("at", descending=True)],
            limit=BACKFILL_PAGE,
            after=after,
        )
        found = [
            one for each in page.items if (one := _past(each)) is not None and one.chat not in noted
        ]
        noted |= {one.chat for one in found}
        after = page.next
        await documents.batch(
            [*chat_activity.noting(connection, found), _reached(connection, after)]
        )
        if after is None:
            log.info("chats noted", action="chat_backfill", connection=connection, chats=len(noted))
            return
        await asyncio.sleep(BACKFILL_PAUSE_SECONDS)


def _past(document: Document) -> Activity | None:
    """The activity of a message that is read already; None where it is none, or has fields of no known shape."""
    try:
        if is_early(document):
            return None
        found = chat_activity.of_message(document, document["id"])
    except (KeyError, TypeError):
        return None
    return None if found is None else replace(found, does="past")


def _reached(connection: str, after: str | None) -> Write:
    return updating(connection, lambda document: {**document, "chats_backfill": after})
