"""Ends API keys and webhooks whose last connection is deleted, in SQLite or Firestore; deletes the oldest ended ones.

An ended key is refused, an ended webhook gets no events of later; both stay listed for an admin (G12).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.state.documents import API_KEYS, EVENT_LOG, HEAD, WEBHOOKS, Write
from actors.state.events.log import EventLog
from actors.state.webhooks import Webhooks, unlisted

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.state.documents import Document, Documents

ENDED_GRANTS_KEPT = 50
"""Ended keys that stay, and ended webhooks: the newest of each."""


async def end_limited(
    documents: Documents, connection: str, *, clock: Callable[[], float] = time.time
) -> None:
    """Note the deletion of a connection in its keys and webhooks. Safe to repeat; raises `StoreAway`."""
    now, seq = clock(), (await EventLog(documents).head()).seq
    for collection in (API_KEYS, WEBHOOKS):
        items = (await documents.query(collection)).items
        for each in items:
            if connection in (each["connections"] or ()):
                await documents.batch(_ending(collection, each["id"], connection, now, seq))
        ended = [each for each in items if each.get("ended_at") is not None]
        for each in sorted(ended, key=lambda each: -each["ended_at"])[ENDED_GRANTS_KEPT:]:
            if collection == WEBHOOKS:
                await Webhooks(documents).delete(each["id"])
            else:
                await documents.delete(API_KEYS, each["id"])


def _ending(collection: str, item: str, connection: str, now: float, seq: int) -> list[Write]:
    ended = False

    def end(there: Document | None) -> Document | None:
        nonlocal ended
        after = None if there is None else with_ended(there, connection, now, seq)
        ended = after is not None and after.get("ended_at") is not None
        return after

    def leave(head: Document | None) -> Document | None:
        return unlisted(head, item) if ended else None

    writes = [Write("change", collection, item, change=end)]
    if collection == WEBHOOKS:
        writes.append(Write("change", EVENT_LOG, HEAD, change=leave))
    return writes


def with_ended(document: Document, connection: str, now: float, seq: int) -> Document:
    """The key or webhook once a connection that it was for is deleted (pure).

    A webhook gets the events up to number `seq`: how its messages ended, say.
    """
    ended = sorted({*document.get("ended", ()), connection})
    changed: dict[str, Any] = {**document, "ended": ended}
    if document.get("ended_at") is None and set(document["connections"]) <= set(ended):
        changed |= {"ended_at": now, "ended_seq": seq}
    return changed
