"""Corrects Redis's count of a connection's message bytes, for expired records and those of older releases.

`OutboundQueue.accept` refuses a message beyond QUEUE_MEMORY_PER_CONNECTION.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from actors.queue.queue_reader import QueueReader
from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 100
"""Records that one script counts."""
LEAST = 1000
"""Bytes that an open message counts beside its words: `WEIGHT` of `redis/transitions.lua`."""
KEYED = 640
"""Bytes that it counts for its Idempotency-Key: `KEYED` there."""
SCANNED = 500
"""Keys that one command looks at."""


class MessageBytes(QueueReader):
    """Corrects the count by what no transition of a message reports: expiry, and releases without it. Raises `RedisAway`."""

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
        found: dict[str, list[str]] = defaultdict(list)
        cursor = 0
        while True:
            async with reach():
                page: Any = await self._redis.scan(cursor, match=keys.MESSAGES, count=SCANNED)
            cursor, names = page
            for name in names:
                connection, message_id = keys.message_in(name)
                if connection in unknown:
                    found[connection].append(message_id)
            for connection, ids in found.items():
                while len(ids) >= BATCH:
                    await self._run(connection, "weigh", 0, 0, *ids[:BATCH])
                    del ids[:BATCH]
            if not cursor:
                break
        for connection in unknown:
            await self._run(connection, "weigh", 0, 1, *found[connection])
        return len(unknown)

    async def _unweighed(self, connections: Sequence[str]) -> list[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            pipeline.hmget(keys.of(connection).counters, "seq", "weighed")
        async with reach():
            answers = await pipeline.execute() if connections else []
        marks = zip(connections, answers, strict=True)
        return [each for each, (seq, weighed) in marks if seq and not weighed]
