"""API keys and webhooks that are for some connections only: they end with the last of these.

An ended key is refused, an ended webhook gets no events; both stay listed for an admin (G12).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.state.documents import API_KEYS, WEBHOOKS, Write
from actors.state.webhooks import Webhooks, unlisting

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.state.documents import Document, Documents

KEPT = 50
"""Ended keys that stay, and ended webhooks: the newest of each."""


async def end_limited(
    documents: Documents, connection: str, *, clock: Callable[[], float] = time.time
) -> None:
    """Note the deletion of a connection in its keys and webhooks. Safe to repeat; raises `StoreAway`."""
    now = clock()

    def end(there: Document | None) -> Document | None:
        return None if there is None else with_ended(there, connection, now)

    for collection in (API_KEYS, WEBHOOKS):
        items = (await documents.query(collection)).items
        ending = [each for each in items if connection in (each["connections"] or ())]
        for each in ending:
            writes = [Write("change", collection, each["id"], change=end)]
            if collection == WEBHOOKS and with_ended(each, connection, now).get("ended_at"):
                writes.append(unlisting(each["id"]))
            await documents.batch(writes)
        ended = [each for each in items if each.get("ended_at") is not None]
        for each in sorted(ended, key=lambda each: -each["ended_at"])[KEPT:]:
            if collection == WEBHOOKS:
                await Webhooks(documents).delete(each["id"])
            else:
                await documents.delete(API_KEYS, each["id"])


def with_ended(document: Document, connection: str, now: float) -> Document:
    """The key or webhook once a connection that it was for is deleted (pure)."""
    ended = sorted({*document.get("ended", ()), connection})
    changed: dict[str, Any] = {**document, "ended": ended}
    if document.get("ended_at") is None and set(document["connections"]) <= set(ended):
        changed["ended_at"] = now
    return changed
