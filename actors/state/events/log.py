"""Reads the event log in the state store by number for webhooks and streams; extends the time until which it is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from actors.state.documents import EVENT_LOG, EVENTS, HEAD, Order, Where
from actors.state.events.outbox import Head, has_events_of, unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from actors.state.documents import Document, Documents
    from actors.state.events.outbox import NumberedEvent

LOG_PACKS = 20
"""Documents that one look reads at most."""


class Look(NamedTuple):
    """Events behind a number, oldest first, and whether there may be more behind those.

    `spans` are the first and last numbers of the parts of the log that were looked at.
    """

    events: list[NumberedEvent]
    more: bool
    spans: Sequence[tuple[int, int]] = ()


class EventLog:
    """Events in the order in which their batches were committed, none left out between two looks.

    Events older than their time are gone: a first event that is not the next number shows it. Raises
    `StoreAway`.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def head(self) -> Head:
        """The head of the log."""
        return Head.of(await self._documents.get(EVENT_LOG, HEAD))

    async def after(
        self, seq: int, *, packs: int = LOG_PACKS, about: Collection[str] | None = None
    ) -> Look:
        """The next events behind the number `seq`.

        With `about`, documents without an event of these connections are passed over; others come whole.
        """
        page = await self._documents.query(
            EVENTS, where=[Where("last", ">", seq)], order=[Order("last")], limit=packs
        )
        spans = [
            (pack["first"] if "first" in pack else pack["last"], pack["last"])
            for pack in page.items
        ]
        wanted = [each for each in page.items if about is None or has_events_of(each, about)]
        # A document may have as much as takes some ten milliseconds.
        events = await asyncio.to_thread(_events, wanted, seq) if wanted else []
        return Look(events, page.next is not None, spans)

    async def before(self, seq: int, *, packs: int = LOG_PACKS) -> Look:
        """The last events that come before the number `seq`, the newest first."""
        page = await self._documents.query(
            EVENTS,
            where=[Where("first", "<", seq)],
            order=[Order("first", descending=True)],
            limit=packs,
        )
        events = [each for pack in page.items for each in unpacked(pack) if each.seq < seq]
        return Look(sorted(events, key=lambda each: -each.seq), page.next is not None)

    async def want(self, until: float) -> Head:
        """Have events written until then, at least, for those who read; how far it is."""

        def change(document: Document | None) -> Document | None:
            head = Head.of(document)
            if head.until >= until:
                return None
            return Head(head.seq, head.webhooks, until).document

        return Head.of(await self._documents.change(EVENT_LOG, HEAD, change))


def _events(packs: Sequence[Document], seq: int) -> list[NumberedEvent]:
    """The events of these documents behind the number `seq`."""
    return [each for pack in packs for each in unpacked(pack) if each.seq > seq]
