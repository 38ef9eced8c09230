"""Reads connections, queue, stores and disk for health and metrics routes, at most once a second."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from actors.health.resources import fullest
from actors.media.store import files_uses
from actors.redis.client import Durability, RedisAway, durability
from actors.runtime.limits.limit_uses import queue_uses
from actors.state.documents import HEALTH_STATUS, LATEST, StoreAway
from gateway.schemas import presenters

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.health.resources import Disk
    from actors.queue.outbound_queue import Counts, OutboundQueue
    from actors.queue.records import Flow
    from actors.redis.client import RedisMemory
    from actors.redis.leases.leases import Lease, Leases
    from actors.runtime.limits.limit_uses import LimitUse
    from actors.runtime.owner_liveness import Liveness
    from actors.state.connections import Connection as Registered
    from actors.state.documents import Documents
    from actors.state.tenants.store_floor import StoreFloor
    from gateway.connection_cache import ConnectionCache
    from gateway.redis_memory import RedisMemoryMonitor
    from gateway.schemas.response_models import Connection

SNAPSHOT_FRESH_SECONDS = 1.0
SNAPSHOT_TIMEOUT = 2.0  # seconds: a Redis that hangs must not make the health check hang


@dataclass(frozen=True, slots=True)
class InstanceSnapshot:
    """One moment: what `redis` and the `store` say, or said last while they do not answer.

    `loaded`: the connections were read at least once. `durable` and `memory_of_redis` are None while Redis
    does not answer. `latest` is what the HealthMonitor
    wrote last. `cpu` and `memory` are percent of the machine, `disk` is the fullest that the service writes
    to, `files_room` how many bytes files of messages may still take, `stored_bytes` those of each connection in a state
    store on the disk, `limits` the uses of all limits of bytes.
    """

    connections: Sequence[Connection]
    counts: Mapping[str, Counts]
    flows: Mapping[str, Flow]
    redis: bool
    durable: Durability | None
    store: bool
    loaded: bool
    latest: Mapping[str, Any] | None
    cpu: float
    memory: float
    disk: Disk | None
    files_room: int | None = None
    memory_of_redis: RedisMemory | None = None
    stored_bytes: Mapping[str, int] = field(default_factory=dict)
    limits: Sequence[LimitUse] = ()


class SnapshotReader:
    """Reads Redis at most once a second, however many ask, and never waits long for it."""

    def __init__(
        self,
        redis: Redis,
        documents: Documents,
        lanes: OutboundQueue,
        leases: Leases,
        connections: ConnectionCache,
        *,
        liveness: Liveness,
        room: RedisMemoryMonitor,
        settings: Settings,
        floor: StoreFloor,
        places: Sequence[Path],
        files_room: Callable[[], int | None],
    ) -> None:
        """`places` are where the service writes to; `files_room` is called in a thread, for the field of `InstanceSnapshot`."""
        self._settings, self._places, self._files_room = settings, places, files_room
        self._redis = redis
        self._documents = documents
        self._lanes = lanes
        self._leases = leases
        self._liveness = liveness
        self._connections = connections
        self._room, self._floor = room, floor
        self._last: InstanceSnapshot | None = None
        self._at = 0.0
        self._reading: asyncio.Task[InstanceSnapshot] | None = None
        psutil.cpu_percent()  # the first call only begins the measurement

    async def look(self) -> InstanceSnapshot:
        """The state of the instance, at most `SNAPSHOT_FRESH_SECONDS` old; answers within `SNAPSHOT_TIMEOUT`."""
        if self._last is not None and time.monotonic() - self._at < SNAPSHOT_FRESH_SECONDS:
            return self._last
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def _read(self) -> InstanceSnapshot:
        try:
            registered = self._registered()
            redis, latest, (disk, files_room, files) = await asyncio.gather(
                self._read_redis([each.id for each in registered]),
                self._read_store(),
                self._read_disk(),
            )
            leases: Mapping[str, Lease] = {}
            flows: Mapping[str, Flow]
            counts, flows, durable = self._counts(), {}, None
            if redis is not None:
                leases, counts, flows, durable = redis
            self._last = InstanceSnapshot(
                connections=[
                    presenters.connection(
                        each,
                        leases.get(each.id),
                        alive=self._liveness.of(each.id, leases.get(each.id)),
                        settings=self._settings,
                    )
                    for each in registered
                ],
                counts=counts,
                flows=flows,
                redis=redis is not None,
                durable=durable,
                store=latest is not None and self._connections.fresh,
                loaded=self._connections.loaded,
                latest=latest or None,
                cpu=psutil.cpu_percent(),
                memory=psutil.virtual_memory().percent,
                disk=disk,
                files_room=files_room,
                memory_of_redis=self._room.memory,
                stored_bytes=self._floor.used,
                limits=self._limits({each.id for each in registered}, flows, files),
            )
            self._at = time.monotonic()
            return self._last
        finally:
            self._reading = None

    def _registered(self) -> Sequence[Registered]:
        try:
            return self._connections.all()
        except StoreAway:
            return []

    def _counts(self) -> Mapping[str, Counts]:
        return {} if self._last is None else self._last.counts

    async def _read_redis(
        self, names: Sequence[str]
    ) -> tuple[Mapping[str, Lease], Mapping[str, Counts], Mapping[str, Flow], Durability] | None:
        try:
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                return await asyncio.gather(
                    self._leases.read_all(names),
                    self._lanes.reader.counts_many(names),
                    self._lanes.reader.flows_many(names),
                    durability(self._redis),
                )
        except (RedisAway, TimeoutError):
            return None

    async def _read_disk(self) -> tuple[Disk | None, int | None, tuple[LimitUse, ...]]:
        def look() -> tuple[Disk | None, int | None, tuple[LimitUse, ...]]:
            return fullest(self._places), self._files_room(), files_uses(self._settings) or ()

        try:
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                return await asyncio.to_thread(look)
        except (OSError, TimeoutError):
            return None, None, ()

    def _limits(
        self,
        registered: Collection[str],
        flows: Mapping[str, Flow],
        files: tuple[LimitUse, ...],
    ) -> Sequence[LimitUse]:
        """The uses of limits by the instance, and by connections that exist."""
        settings, used = self._settings, {each: flow.bytes for each, flow in flows.items()}
        uses = (
            *(self._floor.uses or ()),
            *files,
            *queue_uses(
                used,
                settings.queue_limit,
                settings.redis_limit,
                self._room.memory,
                settings.redis_parts,
            ),
        )
        return [use for use in uses if use.connection is None or use.connection in registered]

    async def _read_store(self) -> Mapping[str, Any] | None:
        """The monitor's last word, empty when it never spoke; None while the store is away."""
        try:
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                latest = await self._documents.get(HEALTH_STATUS, LATEST)
        except (StoreAway, TimeoutError):
            return None
        return {} if latest is None else latest
