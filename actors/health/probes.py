"""Asking Redis and the state store how they are, within bounded time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.vault.bucket import BucketAway
from actors.health.breaker import Breaker
from actors.health.checks import Answer, Backlog, Seen, Spools
from actors.measures import measures
from actors.redis.client import RedisAway, durability, reach
from actors.state.documents import HEALTH_STATUS, LATEST, StoreAway, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from actors.connection.vault.bucket import Bucket
    from actors.health.breaker import State
    from actors.queue.lanes import Lanes
    from actors.redis.lease import Lease, Leases
    from actors.state.connections import Connection, Connections
    from actors.state.documents import Documents

PATIENCE = 3.0  # seconds after which something counts as away
SWEEP = 10.0  # seconds for reading the leases and queues of all connections


@dataclass(frozen=True, slots=True)
class Swept:
    """What the leases and the queues say; `owners` are the pids that serve."""

    connections: Mapping[str, Seen]
    queue: Backlog
    owners: tuple[int, ...]


class Probes:
    """What each probe cannot see it says is unknown (None); none raises, none takes long.

    The sweep over all connections is the one probe that is work for Redis: where it fails again
    and again a circuit breaker leaves it out for a while.
    """

    def __init__(
        self,
        redis: Redis,
        leases: Leases,
        lanes: Lanes,
        documents: Documents,
        registry: Connections,
        *,
        bucket: Bucket | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._leases = leases
        self._lanes = lanes
        self._documents = documents
        self._registry = registry
        self._bucket = bucket
        self._clock, self._wall = clock, wall
        self._known: Sequence[Connection] | None = None
        self._beats: dict[str, tuple[float, float]] = {}
        self.breaker = Breaker()

    async def ping(self) -> Answer:
        """Redis, and how long a ping takes."""
        began = self._clock()
        try:
            async with reach(PATIENCE):
                await self._redis.ping()
        except RedisAway:
            return Answer(ok=False, seconds=self._clock() - began)
        return Answer(ok=True, seconds=self._clock() - began)

    async def read(self) -> Answer:
        """The store, and how long one document takes."""
        began = self._clock()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._documents.get(HEALTH_STATUS, LATEST)
        except (StoreAway, TimeoutError):
            measures.count("teimoso_state_store_failures", operation="read")
            return Answer(ok=False, seconds=self._clock() - began)
        seconds = self._clock() - began
        measures.observe("teimoso_state_store_seconds", seconds, operation="read")
        return Answer(ok=True, seconds=seconds)

    async def spools(self) -> Spools | None:
        """What cannot leave the spools of all hosts; None while the store is away."""
        try:
            async with asyncio.timeout(PATIENCE):
                page = await self._documents.query(HEALTH_STATUS, where=[Where("stuck", ">=", 0)])
        except (StoreAway, TimeoutError):
            return None
        return Spools(
            stuck=sum(item["stuck"] for item in page.items),
            unreadable=sum(item.get("unreadable", 0) for item in page.items),
        )

    async def vault(self) -> str | None:
        """Why the bucket is away, in a word; None where it answers, or there is none."""
        if self._bucket is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._bucket.list("probe/")
        except BucketAway as away:
            return away.reason
        except TimeoutError:
            return "no_answer"
        return None

    @property
    def breaker_state(self) -> State:
        """Where the breaker of the sweep stands now."""
        return self.breaker.state(self._clock())

    async def durability(self) -> str | None:
        """Why Redis may lose what it acknowledged (G1); None where it does not, or is away."""
        try:
            async with asyncio.timeout(PATIENCE):
                return (await durability(self._redis)).reason
        except (RedisAway, TimeoutError):
            return None

    async def sweep(self) -> Swept | None:
        """The leases and queues of all connections; None where Redis, or both, cannot say.

        While only the store is away the connections that were known stay known.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                self._known = (await self._registry.list()).items
        except (StoreAway, TimeoutError):
            if self._known is None:
                return None
        now = self._clock()
        if not self.breaker.allows(now):
            return None
        self.breaker = self.breaker.tried(now)
        names = [connection.id for connection in self._known]
        try:
            async with asyncio.timeout(SWEEP):
                leases = await self._leases.read_all(names)
                counts = await self._lanes.counts_many(names)
        except (RedisAway, TimeoutError):
            self.breaker = self.breaker.failed(self._clock())
            return None
        self.breaker = self.breaker.succeeded()
        connections, owners = {}, []
        for connection in self._known:
            lease = leases.get(connection.id)
            owner = None if lease is None else lease.owner
            obstacle = None if lease is None else lease.obstacle
            if owner is not None:
                owners.append(owner.pid)
            connections[connection.id] = Seen(
                desired=connection.desired,
                state=None if lease is None else lease.state,
                silent=None if lease is None or owner is None else self._silent(lease),
                cause=None if lease is None else lease.cause,
                obstacle=None if obstacle is None else obstacle.cause,
                until=None if obstacle is None else obstacle.until,
                behind=None if lease is None else lease.behind,
            )
        return Swept(
            connections,
            Backlog(
                waiting=sum(each.waiting + each.delayed for each in counts.values()),
                active=sum(each.active for each in counts.values()),
                dead=sum(each.dead for each in counts.values()),
            ),
            tuple(owners),
        )

    def _silent(self, lease: Lease) -> float:
        """Seconds since the owner beat last.

        A beat is as old as it has been seen here: the clock of its owner may be another one, and
        either may be set meanwhile.
        """
        now = self._clock()
        known = self._beats.get(lease.connection)
        if known is None:
            seen_at = now - max(0.0, self._wall() - lease.beat)
        else:
            seen_at = known[1] if known[0] == lease.beat else now
        self._beats[lease.connection] = (lease.beat, seen_at)
        return now - seen_at
