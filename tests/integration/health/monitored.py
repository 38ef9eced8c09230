"""A monitor as its actor makes it, and what it wrote."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.health.checks import Thresholds
from actors.health.monitor import Monitor
from actors.health.probes import Probes
from actors.health.resources import Resources, files_room
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.leases.leases import Leases
from actors.runtime.owner_liveness import Liveness
from actors.state.connections import Connections
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket
    from actors.state.documents import Documents


def probes_of(
    settings: Settings,
    documents: Documents,
    redis: Redis,
    *,
    bucket: Bucket | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Probes:
    """The probes of a monitor whose rounds are half a minute apart."""
    return Probes(
        redis,
        Leases(redis),
        OutboundQueue(redis, settings),
        documents,
        Connections(documents),
        liveness=Liveness(),
        bucket=bucket,
        interval=30,
        redis_limit=settings.max_redis_memory,
        clock=clock,
        wall=wall,
    )


def resources_of(settings: Settings) -> Resources:
    """The resources of an instance that writes to its data directory alone."""
    return Resources(settings.data, (), partial(files_room, settings))


def made(
    settings: Settings,
    documents: Documents,
    redis: Redis,
    clock: Callable[[], float] = time.time,
) -> Monitor:
    probes = probes_of(settings, documents, redis)
    resources, thresholds = resources_of(settings), Thresholds.of(settings)
    return Monitor(probes, resources, documents, thresholds, data=settings.data, clock=clock)


async def latest(documents: Documents) -> dict[str, Any]:
    found = await documents.get(HEALTH_STATUS, LATEST)
    assert found is not None
    return found


async def alerts(documents: Documents) -> list[tuple[str, str | None, bool]]:
    page = await documents.query(HEALTH_ALERTS, order=[Order("at")])
    return [(item["name"], item["subject"], item["active"]) for item in page.items]
