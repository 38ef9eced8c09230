"""Stores one webhook's progress in SQLite or Firestore: the position in the event log, and single deliveries."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from actors.state.events.deliveries import delivering
from actors.state.webhooks import progressing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from actors.state.documents import Documents
    from actors.state.events.deliveries import Attempt, Delivery
    from actors.state.webhooks import Progress

SAVE, BILLED_SAVE = 0.5, 5.0
"""Seconds for which what was delivered may go unnoted, and is delivered again after a crash."""

UNSAVED: Final = 100
"""Deliveries that may, whatever the time."""

BATCH_DELIVERIES, BATCH_EVENT_BYTES = 100, 4_000_000
"""Deliveries, and bytes of their events, that one batch stores: a commit of Firestore takes 10 MiB."""


class DeliveryJournal:
    """A batch has the place in the log together with the documents of what it passes, or neither.

    Events that are not stored yet wait here; they are open in the log as well, so that a crash repeats them.
    """

    def __init__(self, documents: Documents, webhook: str, progress: Progress) -> None:
        self._documents = documents
        self._webhook = webhook
        self.progress = progress
        """As it is stored."""
        self._every = BILLED_SAVE if documents.billed else SAVE
        self._pending: dict[int, Delivery] = {}
        self._taken: dict[int, Attempt] = {}
        self._changed = False
        self._saved_at = 0.0
        self.urgent = False
        """Nothing may be started before it is stored."""

    def find(self, seq: int) -> Delivery | None:
        """The delivery of this number, where it is not stored yet as it is."""
        return self._pending.get(seq)

    def put(self, delivery: Delivery, *, urgent: bool = False) -> None:
        """Have its document written, after those that were put before."""
        self._pending.pop(delivery.numbered.seq, None)
        self._pending[delivery.numbered.seq] = delivery
        self.urgent = self.urgent or urgent
        self._changed = True

    def took(self, seq: int, attempt: Attempt) -> None:
        """The event of this number got through at its first attempt."""
        self._taken[seq] = attempt
        self._changed = True

    def moved(self) -> None:
        """The place is another one, or what is known of the endpoint."""
        self._changed = True

    @property
    def wait(self) -> float | None:
        """Seconds until it is to be saved; None where nothing changed."""
        if not self._changed:
            return None
        if self.urgent or len(self._taken) >= UNSAVED:
            return 0.0
        return self._saved_at + self._every - asyncio.get_running_loop().time()

    async def save(
        self,
        place: Callable[[Collection[int]], Progress],
        finish: Callable[[int], None],
        now: float,
    ) -> None:
        """Store everything. Raises `StoreAway`: then what is stored is whole, and the rest waits.

        Raises `WebhookNotFound` and `Overtaken`: then nothing of this may be stored any more.

        `place` gives the progress once documents have the events of these numbers; `finish` is called
        for each that is stored.
        """
        while True:
            stored, taken = self._chunk(), self._taken
            progress = place(stored)
            if stored or taken or progress != self.progress:
                await self._documents.batch(
                    [
                        *(each.write for each in stored.values()),
                        *delivering(self._webhook, taken, now),
                        progressing(self._webhook, progress),
                    ]
                )
            self.progress, self._taken = progress, {}
            for seq in stored:
                finish(seq)
                self._pending.pop(seq, None)
            if not self._pending:
                break
        self._changed = self.urgent = False
        self._saved_at = asyncio.get_running_loop().time()

    def _chunk(self) -> dict[int, Delivery]:
        """Deliveries that the next batch stores."""
        chunk: dict[int, Delivery] = {}
        size = 0
        for seq, delivery in self._pending.items():
            size += delivery.numbered.size
            if chunk and (len(chunk) >= BATCH_DELIVERIES or size > BATCH_EVENT_BYTES):
                break
            chunk[seq] = delivery
        return chunk


class Endings:
    """Ends of deliveries: each is stored once the store has the next event of its lane as one that is tried.

    As long as one of a lane is stored as tried, those behind it are found after a crash.
    """

    def __init__(self, journal: DeliveryJournal) -> None:
        self._journal = journal
        self._left: dict[str, Delivery] = {}  # by lane: the follower is not found yet

    def put(self, delivery: Delivery, *, more: bool) -> None:
        """Have the delivery stored; `more`: it has ended, and its lane goes on in documents."""
        assert delivery.lane is not None
        self._journal.put(replace(delivery, status="waiting") if more else delivery)
        self.close(delivery.lane)
        if more:
            self._left[delivery.lane] = delivery

    def close(self, lane: str) -> None:
        """Have the end of the last delivery of the lane stored: its follower has a document, or there is none."""
        ended = self._left.pop(lane, None)
        if ended is not None:
            self._journal.put(ended)
