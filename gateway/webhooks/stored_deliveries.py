"""Finds stored deliveries in SQLite or Firestore for a webhook's worker: failed ones, the next of a chat, a repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.state.documents import DELIVERIES, Order, Where
from actors.state.events.deliveries import Delivery, delivery_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.state.documents import Document, Documents

DOCUMENT_PAGE: Final = 20
"""Documents that one look takes: each may have 700 kB."""


class StoredDeliveries:
    """Stored deliveries of a webhook. Each read has a bounded number of documents, by an index; raises `StoreAway`."""

    def __init__(self, documents: Documents, webhook: str) -> None:
        self._documents = documents
        self._webhook = webhook

    async def heads(self) -> AsyncIterator[Delivery]:
        """Refused events that are tried again, one of each chat, the oldest first."""
        after = None
        while True:
            page = await self._documents.query(
                DELIVERIES,
                where=[Where("webhook", "==", self._webhook), Where("status", "==", "waiting")],
                order=[Order("seq")],
                limit=DOCUMENT_PAGE,
                after=after,
            )
            for each in page.items:
                yield Delivery.of(each)
            if page.next is None:
                return
            after = page.next

    async def head(self, seq: int) -> Delivery | None:
        """The refused event of this number; None where it is not tried any more."""
        found = await self._documents.get(DELIVERIES, delivery_id(self._webhook, seq))
        return None if found is None or found["status"] != "waiting" else Delivery.of(found)

    async def following(self, lane: str, after: int) -> Delivery | None:
        """The event of a chat that is stored behind the one of the number `after`."""
        while True:
            found = await self._first(Where("lane", "==", lane), Where("seq", ">", after))
            if found is None or found["status"] == "behind":
                return None if found is None else Delivery.of(found)
            after = found["seq"]

    async def repeat(self) -> Delivery | None:
        """The oldest event that a person wants once more."""
        found = await self._first(Where("status", "==", "repeat"))
        return None if found is None else Delivery.of(found)

    async def _first(self, *where: Where) -> Document | None:
        page = await self._documents.query(
            DELIVERIES,
            where=[Where("webhook", "==", self._webhook), *where],
            order=[Order("seq")],
            limit=1,
        )
        return page.items[0] if page.items else None
