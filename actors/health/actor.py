"""Implements the HealthMonitor Ray actor: judges health at intervals; writes status and alerts to SQLite or Firestore."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from actors.config.settings import Settings
from actors.connection.backup.bucket.access import BucketAccess
from actors.health.breakers import BREAKER_LEVELS
from actors.health.checks import Thresholds
from actors.health.monitor import Monitor
from actors.health.probes import Probes
from actors.health.resources import Resources, files_room
from actors.media.store import files_uses
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import EXPIRES, Leases
from actors.runtime.actor_base import Shell
from actors.runtime.owner_liveness import Liveness
from actors.state import own_mistakes
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from actors.state.tenants.store_floor import StoreFloor

if TYPE_CHECKING:
    from actors.metrics.counters import Sample

log = structlog.get_logger()

SETTLE = 1.0  # seconds before the first round: a CPU measured over less is noise


class HealthMonitor(Shell):
    """Looks at everything, changes nothing but its own documents.

    Nothing depends on it: while it is dead, `/health` says so and goes on with what the gateway
    sees itself.
    """

    async def _start(self) -> None:
        settings = await asyncio.to_thread(Settings.load, self.data)
        self._redis = connect(settings)
        self._documents = open_documents(settings)
        self._reach = BucketAccess.of(settings)
        self._probes = probes = Probes(
            self._redis,
            Leases(self._redis),
            OutboundQueue(self._redis, settings),
            self._documents,
            Connections(self._documents),
            liveness=Liveness(EXPIRES if settings.several_hosts else None),
            bucket=self._reach.bucket,
            interval=settings.health_check_interval / 1000,
            redis_limit=settings.max_redis_memory,
        )
        places = (settings.sessions, settings.state_file)
        floor = StoreFloor.of(settings, *(place.parent for place in places), settings.sessions)
        self._monitor = Monitor(
            probes,
            Resources(
                settings.data,
                places,
                partial(files_room, settings),
                floor,
                partial(files_uses, settings),
            ),
            self._documents,
            Thresholds.of(settings),
            data=settings.data,
        )
        self._looking = asyncio.create_task(self._look(settings.health_check_interval / 1000))

    async def _look(self, interval: float) -> None:
        await asyncio.sleep(min(SETTLE, interval))
        while True:
            try:
                await self._monitor.round()
            except Exception:
                # A round that fails is a gap in what is shown; the next may succeed.
                log.exception("round failed", action="health_round")
                await own_mistakes.note_once(self._documents, "health_round")
            await asyncio.sleep(interval)

    async def _stop(self) -> None:
        if self._starting is None:
            return
        await self._starting
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking
        await self._documents.close()
        await self._redis.aclose()

    async def _peers(self, vault: Any = None, **_: Any) -> None:
        await self.start()
        self._reach.through(vault)

    def _gauges(self) -> list[Sample]:
        probes: Probes | None = getattr(self, "_probes", None)
        states = {} if probes is None else probes.breakers
        return [
            ("teimoso_breaker_state", {"of": of}, BREAKER_LEVELS[at]) for of, at in states.items()
        ]

    def _health(self) -> dict[str, Any]:
        monitor: Monitor | None = getattr(self, "_monitor", None)
        return {"status": monitor.last.status if monitor and monitor.last else None}
