"""Deletes expired messages, recoveries, alerts, jobs, events, deliveries from SQLite or Firestore, in the StateManager."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from actors.state import own_mistakes
from actors.state.documents import (
    BATCH_LIMIT,
    DELIVERED,
    DELIVERIES,
    EVENT_LOG,
    EVENTS,
    FILE_OWNERS,
    HEAD,
    HEALTH_ALERTS,
    JOBS,
    RECOVERY_ACTIONS,
    Order,
    StoreAway,
    Where,
    Write,
)
from actors.state.events.outbox import Head
from actors.state.messages.removal import prune

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.state.documents import Document, Documents

log = structlog.get_logger()

RETENTION_ROUND_SECONDS = 3600.0
RETRY_PAUSE = 60.0
"""Seconds between two rounds, and until the next while the store is away."""

EVENT_DOCUMENTS = 20
"""Documents of events that one look takes: each may have 700 kB."""

RETENTION_PAUSE_SECONDS = 0.05
"""Seconds between two batches of one round."""

FINISHED = ("sent", "delivered", "read", "cancelled")
RECORD = 7 * 86_400.0
"""For how long the queue keeps the record of a letter that is off the list (`bytes.lua`)."""

NOT_ACTIVE = Where("active", "==", value=False)


class Retention:
    """Removes what ended longer ago than its time; active and open ones always stay.

    In batches with pauses, so that it holds up no other writer for long; the next round removes those that
    one missed.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        history: float,
        jobs: float,
        letters: float,
        events: float,
        files: float,
        messages: float = 0.0,
        deletion_time: Callable[[], float],
    ) -> None:
        """Seconds: recovery and alerts, finished jobs, dead letters, events, owners of files are kept so long.

        Messages stay for good where theirs are 0. Ages are counted from `actors.runtime.deletion_time`.
        """
        self._documents = documents
        self._history = history
        self._jobs = jobs
        # A dead letter can be sent again until its record is gone, and is open then.
        self._letters = max(jobs, letters + RECORD)
        self._events = events
        self._files = files
        self._messages = messages
        self._deletion_time = deletion_time

    async def run(self) -> None:
        """A round now and one every hour, until cancelled."""
        while True:
            try:
                removed = await self.prune()
            except StoreAway:
                await asyncio.sleep(RETRY_PAUSE)
                continue
            except ValueError as error:  # a mistake that would come again at once
                log.error("documents not pruned", action="prune", kind=type(error).__name__)  # noqa: TRY400
                with suppress(StoreAway):  # noted again by the next round
                    await own_mistakes.note(self._documents, "prune")
                await asyncio.sleep(RETENTION_ROUND_SECONDS)
                continue
            if removed:
                log.info("documents pruned", action="prune", documents=removed)
            await asyncio.sleep(RETENTION_ROUND_SECONDS)

    async def prune(self) -> int:
        """One round; how many documents it removed. Raises `StoreAway`."""
        now = await asyncio.to_thread(self._deletion_time)
        old = Where("at", "<", now - self._history)
        removed = await self._remove(RECOVERY_ACTIONS, (old,), "at")
        # Found by when they were raised, which is never after they were cleared.
        removed += await self._remove(HEALTH_ALERTS, (NOT_ACTIVE, old), "cleared_at")
        for status in (*FINISHED, "dead"):
            keep = self._letters if status == "dead" else self._jobs
            where = (Where("status", "==", status), Where("updated_at", "<", now - keep))
            removed += await self._remove(JOBS, where, "updated_at")
        removed += await self._remove(FILE_OWNERS, (Where("at", "<", now - self._files),), "at")
        for collection in (DELIVERIES, DELIVERED):
            removed += await self._remove(collection, (Where("at", "<", now - self._events),), "at")
        if self._messages:
            removed += await prune(
                self._documents, before=now - self._messages, letters=now - self._letters
            )
        await self._end_reading(now)
        return removed + await self._forget_events(now - self._events)

    async def _end_reading(self, now: float) -> None:
        """Have no more events written for readers that have been gone for their time."""

        def change(document: Document | None) -> Document | None:
            head = Head.of(document)
            return replace(head, until=0.0).document if 0 < head.until < now else None

        await self._documents.change(EVENT_LOG, HEAD, change)

    async def _forget_events(self, before: float) -> int:
        """By their number, which is their age: a look at the oldest, however many there are."""
        removed = 0
        while True:
            page = await self._documents.query(EVENTS, order=[Order("last")], limit=EVENT_DOCUMENTS)
            old = [item for item in page.items if item["at"] < before]
            if old:
                await self._documents.batch([_removal(EVENTS, item) for item in old])
            removed += len(old)
            if len(old) < EVENT_DOCUMENTS:
                return removed
            await asyncio.sleep(RETENTION_PAUSE_SECONDS)

    async def _remove(self, collection: str, where: Sequence[Where], ended: str) -> int:
        """Of those that are found, what ended before the bound of the last condition."""
        removed, after = 0, None
        before: Any = where[-1].value
        while True:
            page = await self._documents.query(
                collection, where=where, limit=BATCH_LIMIT, after=after
            )
            writes = [_removal(collection, item) for item in page.items if item[ended] < before]
            if writes:
                await self._documents.batch(writes)
            removed += len(writes)
            after = page.next
            if after is None:
                return removed
            await asyncio.sleep(RETENTION_PAUSE_SECONDS)


def _removal(collection: str, document: Document) -> Write:
    return Write("delete", collection, document["id"])
