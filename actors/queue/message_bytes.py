"""Corrects Redis's count of a connection's message bytes: expired records, those of older releases, early expiry.

`OutboundQueue.accept` refuses a message beyond QUEUE_MEMORY_PER_CONNECTION.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from actors.queue.queue_reader import QueueReader, clock
from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

RECORDS_PER_SCRIPT = 100
"""Records that one script counts."""
MIN_MESSAGE_BYTES = 1000
"""Bytes that an open message counts beside its words: `WEIGHT` of `redis/transitions.lua`."""
SCANNED = 500
"""Keys that one command looks at."""


class MessageBytes(QueueReader):
    """Corrects the count by what no transition of a message reports, and frees bytes early. Raises `RedisAway`."""

    async def forget_expired(self, connection: str) -> int:
        """Take expired records out of the count; return the bytes of those that are left."""
        return int(await self._run(connection, "expired", 0))

    async def weigh(self, connections: Sequence[str]) -> int:
        """Count records that an older release accepted; return how many of `connections` had such a count to do.

        Reads every key once, in shares, if there is such a connection. Safe to repeat, also after a crash midway.
        """
        unknown = await self._unweighed(connections)
        if not unknown:
            return 0
        async for connection, ids in self._records_of(unknown):
            await self._run(connection, "weigh", 0, 0, *ids)
        for connection in unknown:
            await self._run(connection, "weigh", 0, 1)
        return len(unknown)

    async def ends(self, connection: str) -> dict[int, int]:
        """The bytes of records that expire, by the hour (since the epoch) in which they do."""
        async with reach():
            found: Any = await self._redis.hgetall(keys.of(connection).leaving)
        return {int(hour): int(each) for hour, each in found.items()}

    async def expire_early(self, hours: Mapping[str, int], now: float | None = None) -> None:
        """Remove what would expire by these hours of each connection, but nothing that is promised for longer.

        The state store has it whole, and it ended a day ago or more. Reads every key once, in shares.
        """
        async for connection, ids in self._records_of(hours):
            await self._run(connection, "expire_early", clock(now), hours[connection], *ids)

    async def _records_of(
        self, connections: Collection[str]
    ) -> AsyncIterator[tuple[str, Sequence[str]]]:
        """Message ids of these connections' records, `RECORDS_PER_SCRIPT` of one connection at most; an id may come twice."""
        found: dict[str, list[str]] = defaultdict(list)
        cursor = 0
        while True:
            async with reach():
                page: Any = await self._redis.scan(cursor, match=keys.MESSAGE_KEYS, count=SCANNED)
            cursor, names = page
            for name in names:
                connection, message_id = keys.message_in(name)
                if connection in connections:
                    found[connection].append(message_id)
            for connection, ids in found.items():
                while len(ids) >= RECORDS_PER_SCRIPT or (ids and not cursor):
                    yield connection, ids[:RECORDS_PER_SCRIPT]
                    del ids[:RECORDS_PER_SCRIPT]
            if not cursor:
                return

    async def _unweighed(self, connections: Sequence[str]) -> list[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            pipeline.hmget(keys.of(connection).counters, "seq", "weighed")
        async with reach():
            answers = await pipeline.execute() if connections else []
        marks = zip(connections, answers, strict=True)
        return [each for each, (seq, weighed) in marks if seq and not weighed]
