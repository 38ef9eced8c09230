"""Reads new events from the log in SQLite or Firestore once, and shares them in the gateway with workers and readers."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from actors.state import own_mistakes
from actors.state.documents import StoreAway
from actors.state.events.event import UNREADABLE_TYPE
from actors.state.events.log import EventLog, Look

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from actors.state.documents import Documents
    from actors.state.events.outbox import NumberedEvent

ACTION = "read_events"

EVENT_POLL_SECONDS, BILLED_POLL_SECONDS = 0.2, 1.0
"""Seconds between two looks while somebody follows; the second where each look is paid for."""

AWAY_EVERY = 1.0
EVENTS_IN_MEMORY, EVENT_BYTES_IN_MEMORY = 500, 8_000_000
"""Events, and their bytes, that are kept in memory; a reader further behind reads the store."""

TAIL_PACKS = 3
"""Documents that one who is behind reads at a time."""

log = structlog.get_logger()


class EventTail:
    """Each follower gets every event once, in order, from the place at which it begins.

    Nothing is kept for a follower: it has a place of its own, and requests the events behind it. While
    nobody follows nothing is read; while the store is away there is no news. An event that this release
    cannot read is one of the type `UNREADABLE_TYPE`, and noted as a mistake.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._log = EventLog(documents)
        self._every = BILLED_POLL_SECONDS if documents.billed else EVENT_POLL_SECONDS
        self._noted = 0
        self._kept: deque[NumberedEvent] = deque()
        self._bytes = 0
        self._seq: int | None = None
        self._followers = 0
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self.away = False

    @property
    def newest(self) -> int | None:
        """The number of the newest event that was read; None before the first look."""
        return self._seq

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Somebody follows."""
        self._followers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._followers -= 1

    async def after(self, seq: int, about: Collection[str] | None = None) -> Look:
        """The events behind a number; of the store's those `about` connections at least. Raises `StoreAway`."""
        kept = self._kept
        if self._seq is not None and seq >= self._seq:
            return Look([], more=False)
        if kept and kept[0].seq <= seq + 1:
            events = [event for event in kept if event.seq > seq]
            return Look(events, more=False, spans=[(event.seq, event.seq) for event in events])
        return await self._read(seq, about)

    async def news(self, seq: int) -> None:
        """Wait until there is something behind a number, or may be."""
        while self._seq is None or self._seq <= seq:
            await self._news.wait()

    async def run(self) -> None:
        """Read on until cancelled."""
        while True:
            if not self._followers:
                # Where it begins again is asked for then.
                self._seq = None
                self._kept.clear()
                self._bytes = 0
                self._wanted.clear()
                await self._wanted.wait()
            try:
                more = await self._look()
            except StoreAway:
                self._report(away=True)
                await asyncio.sleep(AWAY_EVERY)
                continue
            except Exception:  # not foreseen; without this loop nobody would get events any more
                log.exception("events not read", action=ACTION)
                await own_mistakes.note_once(self._documents, ACTION)
                await asyncio.sleep(AWAY_EVERY)
                continue
            self._report(away=False)
            if not more:
                await asyncio.sleep(self._every)

    async def _look(self) -> bool:
        if self._seq is None:
            self._seq = (await self._log.head()).seq
            self._wake()
            return False
        look = await self._read(self._seq)
        if look.events:
            self._add(look.events)
            self._seq = look.events[-1].seq
            self._wake()
        return look.more

    async def _read(self, seq: int, about: Collection[str] | None = None) -> Look:
        look = await self._log.after(seq, packs=TAIL_PACKS, about=about)
        broken = [each.seq for each in look.events if each.event.type == UNREADABLE_TYPE]
        if broken and broken[-1] > self._noted:
            log.error("events not readable", action=ACTION, count=len(broken))
            await own_mistakes.note_once(self._documents, ACTION)
            self._noted = broken[-1]
        return look

    def _add(self, events: list[NumberedEvent]) -> None:
        self._kept.extend(events)
        self._bytes += sum(each.size for each in events)
        while len(self._kept) > EVENTS_IN_MEMORY or (
            self._bytes > EVENT_BYTES_IN_MEMORY and len(self._kept) > 1
        ):
            self._bytes -= self._kept.popleft().size

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _report(self, *, away: bool) -> None:
        if self.away != away:
            self.away = away
            log.warning("store away" if away else "store back", action=ACTION)
