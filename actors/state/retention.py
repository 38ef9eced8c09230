"""How long history is kept: recovery actions and alerts that are over."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from actors.state.documents import (
    BATCH_LIMIT,
    HEALTH_ALERTS,
    RECOVERY_ACTIONS,
    StoreAway,
    Where,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.state.documents import Document, Documents

log = structlog.get_logger()

EVERY = 3600.0
AGAIN = 60.0
"""Seconds between two rounds, and until the next while the store is away."""

NOT_ACTIVE = Where("active", "==", value=False)


class Retention:
    """Removes what ended longer ago than `keep` seconds; an alert that is active always stays.

    In batches, so that it holds up no other writer for long; what a round missed the next removes.
    """

    def __init__(
        self, documents: Documents, keep: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._documents = documents
        self._keep = keep
        self._clock = clock

    async def run(self) -> None:
        """A round now and one every hour, until cancelled."""
        while True:
            try:
                removed = await self.prune()
            except StoreAway:
                await asyncio.sleep(AGAIN)
                continue
            if removed:
                log.info("pruned", action="prune", documents=removed)
            await asyncio.sleep(EVERY)

    async def prune(self) -> int:
        """One round; how many documents it removed. Raises `StoreAway`."""
        before = self._clock() - self._keep
        actions = await self._remove(RECOVERY_ACTIONS, (), before, "at")
        # Found by when they were raised, which is never after they were cleared.
        return actions + await self._remove(HEALTH_ALERTS, (NOT_ACTIVE,), before, "cleared_at")

    async def _remove(
        self, collection: str, where: Sequence[Where], before: float, ended: str
    ) -> int:
        removed, after = 0, None
        while True:
            page = await self._documents.query(
                collection,
                where=[*where, Where("at", "<", before)],
                limit=BATCH_LIMIT,
                after=after,
            )
            writes = [_removal(collection, item) for item in page.items if item[ended] < before]
            if writes:
                await self._documents.batch(writes)
            removed += len(writes)
            after = page.next
            if after is None:
                return removed


def _removal(collection: str, document: Document) -> Write:
    return Write("delete", collection, document["id"])
