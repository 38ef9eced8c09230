"""Deletes old messages from ``whatsapp_messages`` in SQLite or Firestore, for `prune-messages` and `Retention`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.state.account import chat_activity
from actors.state.documents import BATCH_LIMIT, CHATS, MESSAGES, Order, Where, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.state.documents import Document, Documents

REMOVAL_PAUSE_SECONDS = 0.05
"""Seconds between two batches, so that other writers have their turn."""

DONE = frozenset({"received", "sent", "delivered", "read", "cancelled"})


async def prune(
    documents: Documents,
    *,
    before: float,
    letters: float,
    connection: str | None = None,
    dry_run: bool = False,
    report: Callable[[int, int], None] = lambda _looked, _removed: None,
) -> int:
    """Remove what is from before that time and done; how many, or how many it would be.

    Dead letters go that are from before `letters` too. `report` gets after each batch how many were
    looked at and how many went. A run that breaks off leaves the rest to the next. Raises
    `StoreAway`.
    """
    where = [Where("at", "<", before)]
    if connection is not None:
        where.insert(0, Where("connection", "==", connection))
    looked, removed = 0, 0
    after: Any = None
    while True:
        page = await documents.query(
            MESSAGES, where=where, order=[Order("at")], limit=BATCH_LIMIT, after=after
        )
        old = [item["id"] for item in page.items if _may_go(item, letters)]
        if old and not dry_run:
            await documents.batch([Write("delete", MESSAGES, id_) for id_ in old])
        looked, removed = looked + len(page.items), removed + len(old)
        report(looked, removed)
        after = page.next
        if after is None:
            break
        await asyncio.sleep(REMOVAL_PAUSE_SECONDS)
    if not dry_run:
        await _forget_chats(documents, before, connection)
    return removed


async def _forget_chats(documents: Documents, before: float, connection: str | None) -> None:
    """List no chat any more whose newest message is from before that time; its settings stay."""
    where = [Where("active_at", "<", before)]
    if connection is not None:
        where.insert(0, Where("connection", "==", connection))
    while True:
        page = await documents.query(
            CHATS, where=where, order=[Order("active_at")], limit=BATCH_LIMIT
        )
        if page.items:
            await documents.batch([chat_activity.forgetting(each, before) for each in page.items])
        if len(page.items) < BATCH_LIMIT:
            return
        await asyncio.sleep(REMOVAL_PAUSE_SECONDS)


def _may_go(message: Document, letters: float) -> bool:
    """Return whether a message is done; one of an unknown status is not."""
    if message.get("status") == "dead":
        return float(message.get("dead_at") or message["at"]) < letters
    return message.get("status") in DONE
