"""Reads or deletes a connection's contact, chat and label documents in SQLite or Firestore, page by page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.state.account.app_state import COLLECTIONS
from actors.state.documents import BATCH_LIMIT, Where, Write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.state.documents import Document, Documents

APP_STATE_PAUSE_SECONDS = 0.05
"""Seconds between two batches, so that other writers have their turn."""


async def pages(documents: Documents, connection: str) -> AsyncIterator[tuple[str, list[Document]]]:
    """The documents of the connection, a page at a time, with their collection. Raises `StoreAway`."""
    for collection in COLLECTIONS.values():
        after = None
        while True:
            page = await documents.query(
                collection,
                where=[Where("connection", "==", connection)],
                limit=BATCH_LIMIT,
                after=after,
            )
            if page.items:
                yield collection, page.items
            after = page.next
            if after is None:
                break


async def forget(documents: Documents, connection: str) -> None:
    """Remove them all: names of people, above all. Safe to repeat; raises `StoreAway`."""
    async for collection, items in pages(documents, connection):
        await documents.batch([Write("delete", collection, each["id"]) for each in items])
        await asyncio.sleep(APP_STATE_PAUSE_SECONDS)
