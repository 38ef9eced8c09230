"""Runs the QueueActor's loops: makes delayed messages due, counts, mirrors to SQLite or Firestore, prunes dead letters.

None of it is on the path of a message: without it sends go on, and what is missed is done later.
"""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from actors.queue.mirror import mirror_store, mirror_writes
from actors.queue.mirror.comparison import Comparison
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks
from actors.runtime.backoff import DoublingPause
from actors.runtime.connection_ids import id_in
from actors.state.documents import CONNECTIONS, RECORDS_PER_BATCH, StoreAway, Where

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.queue.outbound_queue import OutboundQueue
    from actors.queue.records import Counts, Record
    from actors.state.documents import Documents

log = structlog.get_logger()

CONNECTIONS_EVERY, BILLED_CONNECTIONS_EVERY = 1.0, 10.0
PROMOTE_EVERY = 1.0
PRUNE_EVERY = 60.0
COMPARE_EVERY = 15.0
"""Seconds after a start until the queue is compared with its view."""
MIRROR_EVERY = 0.5
LONGEST_ROUND_PAUSE = 5.0
"""Seconds between two rounds, and at most while Redis or the store is away."""
LOOP_END_SECONDS = 5.0
"""Seconds that the loops have to end."""

ALL_EVERY = 2.0
"""Seconds after which a round takes also what is still changing."""
MIRROR_TIME_SHARE = 0.02
"""The part of its time that mirroring takes while messages are being sent: they go before it."""
MIRROR_LAG_SECONDS = 10.0
"""Seconds after which a change does not wait for that any more."""


class QueueUpkeep:
    """Loops until cancelled; Redis or the store being away only pauses them (G11)."""

    def __init__(
        self,
        lanes: OutboundQueue,
        documents: Documents,
        keep_days: float,
        deletion_time: Callable[[], float],
    ) -> None:
        """Dead letters are forgotten `keep_days` before `actors.runtime.deletion_time`."""
        self._keep_days, self._deletion_time = keep_days, deletion_time
        self._lanes = lanes
        self._documents = documents
        self._connections: Sequence[str] = ()
        self._all_at = time.monotonic()
        self._newest: dict[str, int] = {}
        self._compared = False
        self._comparison = Comparison(lanes.reader, documents)
        self.counts: dict[str, Counts] = {}
        self.away: set[str] = set()

    async def run(self) -> None:
        """Run until cancelled; raises only what is a bug."""
        loops = [
            asyncio.ensure_future(loop)
            for loop in (
                self._loop(
                    "list",
                    self.list_connections,
                    BILLED_CONNECTIONS_EVERY if self._documents.billed else CONNECTIONS_EVERY,
                ),
                self._loop("promote", self.promote, PROMOTE_EVERY),
                self._loop("mirror", self.mirror, MIRROR_EVERY),
                self._loop("prune", self.prune, PRUNE_EVERY),
                self._loop("compare", self.compare, COMPARE_EVERY),
            )
        ]
        try:
            broken, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in broken:
                loop.result()
        finally:
            await end_tasks(loops, LOOP_END_SECONDS)

    async def list_connections(self) -> None:
        """Read which connections there are; until it succeeds again, the known ones count."""
        page = await self._documents.query(CONNECTIONS, where=[Where("deleted", "==", value=False)])
        self._connections = [id_in(item) for item in page.items]

    async def promote(self) -> None:
        """Ready what is due in every connection, and count."""
        for connection in self._connections:
            await self._lanes.promote(connection)
        self.counts = await self._lanes.reader.counts_many(self._connections)

    async def mirror(self) -> None:
        """Store changed records, those of all connections together, and forget that they changed.

        A record that changed since the last round waits for the next, since its owner works on it: a message
        that takes all its steps within a second is stored once, and not after each. While messages
        are being sent most of the time is left to them, and a record that changes meanwhile is stored once
        too: the view lags 2 s, and `MIRROR_LAG_SECONDS` where messages leave as fast as they can.
        """
        records: list[Record] = []
        before, self._newest = self._newest, await self._lanes.reader.unmirrored(self._connections)
        everything = time.monotonic() - self._all_at >= ALL_EVERY
        if everything:
            self._all_at = time.monotonic()
        for connection, newest in self._newest.items():
            # Changes during this round are left for the next, or it might never end.
            upto = newest if everything else before.get(connection)
            while upto is not None:
                records += await self._lanes.reader.changed(
                    connection, RECORDS_PER_BATCH - len(records), upto
                )
                if len(records) < RECORDS_PER_BATCH:
                    break
                await self._store(records)
                records = []
        await self._store(records)

    async def _yield_machine(self, records: Sequence[Record], took: float) -> None:
        """Leave the machine to what is being sent, unless one of `records` has waited long."""
        oldest = min(record.changed_at for record in records)
        left = min(MIRROR_LAG_SECONDS, MIRROR_LAG_SECONDS - (time.time() - oldest))
        if left <= 0:
            return
        counts = await self._lanes.reader.counts_many(list({each.connection for each in records}))
        if any(each.active for each in counts.values()):
            await asyncio.sleep(min(left, took / MIRROR_TIME_SHARE - took))

    async def _store(self, records: Sequence[Record]) -> None:
        if not records:
            return
        begun = time.monotonic()
        lacking = await mirror_store.store(self._documents, records)
        for connection, message_id in mirror_writes.deleted(records):
            await self._lanes.redact(connection, message_id)
        # After the store has it: a crash in between mirrors once more, which is harmless.
        each = groupby(records, attrgetter("connection"))
        await asyncio.gather(
            *(
                self._lanes.reader.mirrored(connection, list(group), lacking)
                for connection, group in each
            )
        )
        await self._yield_machine(records, time.monotonic() - begun)

    async def compare(self) -> None:
        """Compare the queue with its view, once after a start."""
        if self._connections and not self._compared:
            await self._comparison.run(frozenset(self._connections))
            self._compared = True

    async def prune(self) -> None:
        """Forget the dead letters whose time is over."""
        now = await asyncio.to_thread(self._deletion_time)
        for connection in self._connections:
            pruned = await self._lanes.dead_letters.prune(connection, self._keep_days, now)
            if pruned:
                log.info(
                    "dead letters pruned",
                    action="queue.prune",
                    connection=connection,
                    letters=pruned,
                )

    async def _loop(self, action: str, step: Callable[[], Awaitable[None]], every: float) -> None:
        away = DoublingPause(2 * every, LONGEST_ROUND_PAUSE)
        while True:
            try:
                await step()
            except (RedisAway, StoreAway) as error:
                pause = away.next()
                if action not in self.away:
                    self.away.add(action)
                    log.warning(
                        "queue upkeep paused", action=f"queue.{action}", error=type(error).__name__
                    )
            else:
                pause = every
                away.reset()
                if action in self.away:
                    self.away.discard(action)
                    log.info("queue upkeep resumed", action=f"queue.{action}")
            await asyncio.sleep(pause)
