"""Samples for the HealthMonitor actor Redis, state store, bucket, and all connections' leases and queues, in bounded time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.backup.bucket.port import BucketAway
from actors.health.breakers import Breaker
from actors.health.samples import (
    Backlog,
    Backups,
    ConnectionSample,
    Mirror,
    OwnMistake,
    ProbeResult,
)
from actors.metrics.counters import measures
from actors.redis.client import RedisAway, durability, memory, reach
from actors.redis.leases.lease_record import NONE_HELD
from actors.state.documents import (
    COMPARISON,
    HEALTH_STATUS,
    INSTANCE_BACKUP,
    LATEST,
    RECOVERY_ACTIONS,
    Order,
    StoreAway,
    Where,
)
from actors.state.own_mistakes import MISTAKE_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from actors.connection.backup.bucket.port import Bucket
    from actors.health.breakers import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.client import RedisMemory
    from actors.redis.leases.leases import Lease, Leases
    from actors.runtime.owner_liveness import Liveness
    from actors.state.connections import Connection, Connections
    from actors.state.documents import Documents

PROBE_TIMEOUT = 3.0  # seconds after which something counts as away
OF_LATE = 1800.0  # seconds for which it counts that a connection was a zombie
COMPARED = 86_400.0  # seconds for which a comparison of queue and store counts
MAX_PROBED_DOCUMENTS = 50  # recovery actions that a probe reads: many falls are another alert
SWEEP = 10.0  # seconds for reading the leases and queues of all connections


@dataclass(frozen=True, slots=True)
class Swept:
    """The leases and queues of one round; `owners` are the pids that serve."""

    connections: Mapping[str, ConnectionSample]
    queue: Backlog
    owners: tuple[int, ...]


class Probes:
    """Probes of all dependencies. A value that cannot be read is unknown (None); none raises, none takes long.

    A dependency that fails again and again is left alone for a while by a circuit breaker of its own, and counts
    as away meanwhile: Redis, the state store, the bucket, and the sweep over all connections, which
    is the one probe that is work for Redis. Of a store it is never for longer than four rounds.
    """

    def __init__(
        self,
        redis: Redis,
        leases: Leases,
        lanes: OutboundQueue,
        documents: Documents,
        registry: Connections,
        *,
        liveness: Liveness,
        bucket: Bucket | None,
        interval: float,
        redis_limit: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`interval` is that of the rounds, in seconds; `redis_limit` is MAX_REDIS_MEMORY, in bytes."""
        self._redis = redis
        self._redis_limit = redis_limit
        self._leases = leases
        self._lanes = lanes
        self._documents = documents
        self._registry = registry
        self._liveness = liveness
        self._bucket = bucket
        self._clock, self._wall = clock, wall
        self._connections: Sequence[Connection] | None = None
        self._beats: dict[str, tuple[float, float]] = {}
        store = Breaker(cooldown=interval, longest=4 * interval)
        self._breakers = {"redis": store, "store": store, "connections": Breaker()}
        if bucket is not None:
            self._breakers["bucket"] = store
        self._vault: str | None = None

    @property
    def breakers(self) -> dict[str, State]:
        """The state of each breaker now."""
        now = self._clock()
        return {of: breaker.state(now) for of, breaker in self._breakers.items()}

    def leaves_alone(self, of: str) -> bool:
        """Whether nothing is to be asked of it now, but for the one trial."""
        return self._breakers[of].state(self._clock()) != "closed"

    def _may(self, of: str) -> bool:
        now = self._clock()
        allowed = self._breakers[of].allows(now)
        if allowed:
            self._breakers[of] = self._breakers[of].tried(now)
        return allowed

    def _went(self, of: str, *, well: bool) -> None:
        breaker = self._breakers[of]
        self._breakers[of] = breaker.succeeded() if well else breaker.failed(self._clock())

    async def ping(self) -> ProbeResult:
        """Redis, and how long a ping takes."""
        began = self._clock()
        if not self._may("redis"):
            return ProbeResult(ok=False, seconds=0.0)
        try:
            async with reach(PROBE_TIMEOUT):
                await self._redis.ping()
        except RedisAway:
            self._went("redis", well=False)
            return ProbeResult(ok=False, seconds=self._clock() - began)
        self._went("redis", well=True)
        return ProbeResult(ok=True, seconds=self._clock() - began)

    async def read(self) -> ProbeResult:
        """The store, and how long one document takes."""
        began = self._clock()
        if not self._may("store"):
            return ProbeResult(ok=False, seconds=0.0)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._documents.get(HEALTH_STATUS, LATEST)
        except (StoreAway, TimeoutError):
            measures.count("teimoso_state_store_failures", operation="read")
            self._went("store", well=False)
            return ProbeResult(ok=False, seconds=self._clock() - began)
        self._went("store", well=True)
        seconds = self._clock() - began
        measures.observe("teimoso_state_store_seconds", seconds, operation="read")
        return ProbeResult(ok=True, seconds=seconds)

    async def stored_reports(
        self,
    ) -> tuple[Mirror, OwnMistake | None, Backups] | tuple[None, None, None]:
        """The queue's view, the last mistake, and scheduled backups of the instance.

        As processes report them; None while the store is away.
        """
        if self.leaves_alone("store"):
            return None, None, None
        names = (COMPARISON, MISTAKE_DOCUMENT, INSTANCE_BACKUP)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                found = await asyncio.gather(
                    *(self._documents.get(HEALTH_STATUS, name) for name in names)
                )
        except (StoreAway, TimeoutError):
            return None, None, None
        compared, mistaken, backups = found
        differences = (0, 0, 0)
        if compared is not None and compared.get("compared_at", 0) > self._wall() - COMPARED:
            differences = (compared["missing"], compared["unseen"], compared["differing"])
        return (
            Mirror(differences),
            None if mistaken is None else OwnMistake(mistaken["mistaken_at"], mistaken["action"]),
            Backups()
            if backups is None
            else Backups(
                backups["backup_failing_since"],
                tuple(backups["backup_lacks"]),
                backups.get("backup_in_future"),
            ),
        )

    async def zombies(self) -> Mapping[str, int] | None:
        """The number of recent restarts of each connection as a zombie; None while the store is away."""
        if self.leaves_alone("store"):
            return None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                page = await self._documents.query(
                    RECOVERY_ACTIONS,
                    where=[Where("at", ">=", self._wall() - OF_LATE)],
                    order=[Order("at", descending=True)],
                    limit=MAX_PROBED_DOCUMENTS,
                )
        except (StoreAway, TimeoutError):
            return None
        return Counter(each["connection"] for each in page.items if each["cause"] == "zombie")

    async def vault(self) -> str | None:
        """The reason, in a word, for which the bucket is away; None where it answers, or there is none."""
        if self._bucket is None or not self._may("bucket"):
            return self._vault
        self._vault = None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._bucket.list("probe/")
        except BucketAway as away:
            self._vault = away.reason
        except TimeoutError:
            self._vault = "no_answer"
        self._went("bucket", well=self._vault is None)
        return self._vault

    async def durability(self) -> str | None:
        """The reason for which Redis may lose acknowledged data (G1); None where it cannot, or is away."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return (await durability(self._redis)).reason
        except (RedisAway, TimeoutError):
            return None

    async def redis_memory(self) -> RedisMemory | None:
        """The memory that Redis has in use, and its limit; None where it is away or does not report it."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await memory(self._redis, self._redis_limit)
        except (RedisAway, TimeoutError):
            return None

    async def sweep(self) -> Swept | None:
        """The leases and queues of all connections; None where Redis, or both, cannot say.

        While only the store is away the connections that were known stay known.
        """
        try:
            if not self.leaves_alone("store"):
                async with asyncio.timeout(PROBE_TIMEOUT):
                    self._connections = (await self._registry.list()).items
        except (StoreAway, TimeoutError):
            pass
        if self._connections is None or not self._may("connections"):
            return None
        names = [connection.id for connection in self._connections]
        try:
            async with asyncio.timeout(SWEEP):
                leases = await self._leases.read_all(names)
                counts = await self._lanes.reader.counts_many(names)
                flows = await self._lanes.reader.flows_many(names)
        except (RedisAway, TimeoutError):
            self._went("connections", well=False)
            return None
        self._went("connections", well=True)
        for gone in self._beats.keys() - set(names):
            del self._beats[gone]
        connections, owners = {}, []
        for connection in self._connections:
            lease = leases.get(connection.id)
            owner = None if lease is None else lease.owner
            obstacle = None if lease is None else lease.obstacle
            state = None if lease is None else lease.state
            if state == "open" and not self._liveness.of(connection.id, lease):
                state = "reconnecting"
            if owner is not None:
                owners.append(owner.pid)
            connections[connection.id] = ConnectionSample(
                desired=connection.desired,
                queue_bytes=flows[connection.id].bytes,
                state=state,
                silent=None if lease is None or owner is None else self._silent(lease),
                cause=None if lease is None else lease.cause,
                obstacle=None if obstacle is None else obstacle.cause,
                until=None if obstacle is None else obstacle.until,
                behind=None if lease is None else lease.behind,
                version_ends_at=None if lease is None else lease.version_ends_at,
                limited_until=None if lease is None else lease.limited_until,
                limit_reason=None if lease is None else lease.limit_reason,
                mistaken_at=None if lease is None else lease.mistaken_at,
                held=NONE_HELD if lease is None else lease.held,
                refused_sends=0 if lease is None else lease.refused_sends,
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
        beat = self._beats.get(lease.connection)
        if beat is None:
            seen_at = now - max(0.0, self._wall() - lease.beat)
        else:
            seen_at = beat[1] if beat[0] == lease.beat else now
        self._beats[lease.connection] = (lease.beat, seen_at)
        return now - seen_at
