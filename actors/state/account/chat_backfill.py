"""Notes the chats of messages that were stored before chats were listed, once for each connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.runtime.connection_ids import id_in
from actors.state.account import chat_activity
from actors.state.connections import updating
from actors.state.documents import CONNECTIONS, MESSAGES, Order, StoreAway, Where
from actors.state.messages.applied_changes import is_early

if TYPE_CHECKING:
    from actors.state.documents import Document, Documents, Write

PAGE: Final = 400
"""Messages that are read at a time; with the chats and the place they fit into one batch."""

PAUSE: Final = 0.1
"""Seconds between two pages, so that other writers have their turn."""

AGAIN: Final = 60.0
"""Seconds until the next try where the store is away."""

log = structlog.get_logger()


async def run(documents: Documents) -> None:
    """Note the chats of all connections that lack them, until that is done. A kill loses one page at most."""
    while True:
        try:
            for document in (await documents.query(CONNECTIONS)).items:
                if document.get("chats_backfill", "") is not None and not document["deleted"]:
                    await _of_connection(documents, document)
        except StoreAway:
            await asyncio.sleep(AGAIN)
        except (ValueError, KeyError, TypeError) as error:  # it would come again at once
            log.error("chats not noted", action="chat_backfill", kind=type(error).__name__)  # noqa: TRY400
            return
        else:
            return


async def _of_connection(documents: Documents, document: Document) -> None:
    """Newest messages first, with the place in the same batch as the chats of a page; none is unread."""
    connection, noted = id_in(document), set[str]()
    after = document.get("chats_backfill") or None
    while True:
        page = await documents.query(
            MESSAGES,
            where=[Where("connection", "==", connection)],
            order=[Order("at", descending=True)],
            limit=PAGE,
            after=after,
        )
        found = [
            replace(one, does="past")
            for each in page.items
            if not is_early(each)
            and each["chat"] not in noted
            and (one := chat_activity.of_message(each, each["id"])) is not None
        ]
        noted |= {one.chat for one in found}
        after = page.next
        await documents.batch(
            [*chat_activity.noting(connection, found), _reached(connection, after)]
        )
        if after is None:
            log.info("chats noted", action="chat_backfill", connection=connection, chats=len(noted))
            return
        await asyncio.sleep(PAUSE)


def _reached(connection: str, after: str | None) -> Write:
    return updating(connection, lambda document: {**document, "chats_backfill": after})
