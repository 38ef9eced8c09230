"""A monitor as its actor makes it, and what it wrote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.health.checks import Thresholds
from actors.health.monitor import Monitor
from actors.health.probes import Probes
from actors.health.resources import Resources
from actors.queue.lanes import Lanes
from actors.redis.leases import Leases
from actors.runtime.liveness import Liveness
from actors.state.connections import Connections
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.documents import Documents


def made(
    settings: Settings,
    documents: Documents,
    redis: Redis,
    clock: Callable[[], float] = time.time,
) -> Monitor:
    lanes, registry = Lanes(redis, settings), Connections(documents)
    probes = Probes(redis, Leases(redis), lanes, documents, registry, liveness=Liveness())
    resources, thresholds = Resources(settings.data), Thresholds.of(settings)
    return Monitor(probes, resources, documents, thresholds, data=settings.data, clock=clock)


async def latest(documents: Documents) -> dict[str, Any]:
    found = await documents.get(HEALTH_STATUS, LATEST)
    assert found is not None
    return found


async def alerts(documents: Documents) -> list[tuple[str, str | None, bool]]:
    page = await documents.query(HEALTH_ALERTS, order=[Order("at")])
    return [(item["name"], item["subject"], item["active"]) for item in page.items]
