"""Runs a round of the HealthMonitor actor: samples, judges, writes status and alerts to SQLite or Firestore."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.health import resource_history
from actors.health.alerts import Alert, Alerts
from actors.health.checks import judge
from actors.health.engine_look import EngineLook
from actors.health.resource_history import Point
from actors.health.samples import Sample, unreached
from actors.health.status_document import document, news
from actors.state.documents import (
    BATCH_LIMIT,
    HEALTH_ALERTS,
    HEALTH_STATUS,
    LATEST,
    WRITES_WITH_EVENTS,
    Order,
    StoreAway,
    Where,
    Write,
    commit_each,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.health.checks import Thresholds, Verdict
    from actors.health.probes import Probes
    from actors.health.resources import Resources
    from actors.state.documents import Documents

log = structlog.get_logger()

WRITE = 5.0  # seconds after which the store counts as away
UNCHANGED_SECONDS = 900.0
"""Seconds for which a word that has not changed is not written again where that is paid for."""


class Monitor:
    """Runs rounds, which write ``health_status/latest`` and the alerts that were raised or cleared.

    While the store is away the rounds go on, and the changes of alerts wait in memory for its
    return; a monitor that dies meanwhile finds the conditions again and raises them anew.
    """

    def __init__(
        self,
        probes: Probes,
        resources: Resources,
        documents: Documents,
        thresholds: Thresholds,
        *,
        data: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """In `data` what the machine uses is kept for an hour; without it nowhere."""
        self._data, self._hour = data, () if data is None else resource_history.read(data)
        self._probes = probes
        self._resources = resources
        self._documents = documents
        self._thresholds = thresholds
        self._clock = clock
        self._alerts: Alerts | None = None
        self._unwritten: dict[str, Alert] = {}
        self._unreached_since: float | None = None
        self._quiet = UNCHANGED_SECONDS if documents.billed else 0.0
        self._reported: tuple[float, object] | None = None
        self.last: Verdict | None = None

    async def round(self) -> Verdict:
        """Look, judge, alert, write. Raises nothing that Redis or the store does."""
        sample = await self._sample()
        verdict = judge(sample, self._thresholds)
        if self.last is None or self.last.status != verdict.status:
            names = sorted({reason.name for reason in verdict.reasons})
            log.info("health", action="health", status=verdict.status, reasons=names)
        self.last = verdict
        alerts = await self._resumed()
        if alerts is not None:
            every = self._thresholds.repeat
            self._alerts, changed = alerts.judged(verdict, sample.at, every)
            for alert in changed:
                self._unwritten[alert.id] = alert
                log.warning(
                    "alert",
                    action=alert.became(alerts.active.get((alert.name, alert.subject))),
                    alert=alert.name,
                    connection=alert.subject,
                    severity=alert.severity,
                )
        await self._write(sample, verdict)
        return verdict

    async def _sample(self) -> Sample:
        redis, store, (mirror, own_mistake, backups), zombies, vault = await asyncio.gather(
            self._probes.ping(),
            self._probes.read(),
            self._probes.stored_reports(),
            self._probes.zombies(),
            self._probes.vault(),
        )
        swept, durability, memory = None, None, None
        if redis.ok:
            swept, durability, memory = await asyncio.gather(
                self._probes.sweep(), self._probes.durability(), self._probes.redis_memory()
            )
        usage = await asyncio.to_thread(self._resources.measure, swept.owners if swept else ())
        at = self._clock()
        connections = swept.connections if swept else None
        now = time.monotonic()  # a wall clock that is set is no outage
        self._unreached_since = unreached(connections, self._unreached_since, now)
        await self._record(Point.of(usage, at))
        engine = (
            None if self._data is None else await asyncio.to_thread(EngineLook.read, self._data)
        )
        return Sample(
            at=at,
            cpu=usage.cpu,
            memory=usage.memory,
            own_cpu=usage.own_cpu,
            own_memory=usage.own_memory,
            processes=usage.processes,
            redis=redis,
            store=store,
            durability=durability,
            connections=connections,
            queue=swept.queue if swept else None,
            breakers=self._probes.breakers,
            disk=usage.disk,
            room=usage.room,
            low=usage.low,
            limits=usage.limits,
            unread=usage.unread,
            vault=vault,
            mirror=mirror,
            own_mistake=own_mistake,
            backups=backups,
            zombies=zombies,
            redis_memory=memory,
            unreached_for=None if self._unreached_since is None else now - self._unreached_since,
            engine=engine,
        )

    async def _record(self, point: Point) -> None:
        points = resource_history.grown(self._hour, point)
        if self._data is None or points == self._hour:
            return
        self._hour = points
        with suppress(OSError):  # a full disk: the next round tries again
            await asyncio.to_thread(resource_history.write, self._data, points)

    async def _resumed(self) -> Alerts | None:
        """The alerts so far. An earlier monitor's are read once; without them none is judged."""
        if self._alerts is not None or self._probes.leaves_alone("store"):
            return self._alerts
        found: list[Alert] = []
        after = None
        try:
            while True:
                async with asyncio.timeout(WRITE):
                    page = await self._documents.query(
                        HEALTH_ALERTS,
                        where=[Where("active", "==", value=True)],
                        order=[Order("at", descending=True)],
                        limit=BATCH_LIMIT,
                        after=after,
                    )
                found += map(Alert.of, page.items)
                after = page.next
                if after is None:
                    return Alerts.resumed(found)
        except (StoreAway, TimeoutError):
            return None

    async def _write(self, sample: Sample, verdict: Verdict) -> None:
        alerts = list(self._unwritten.values())[: WRITES_WITH_EVENTS - 1]
        active = None if self._alerts is None else self._alerts.active.values()
        word = document(sample, verdict, active, holds=self._quiet)
        gist = news(word)
        if not alerts and self._reported is not None and self._reported[1] == gist:
            quiet_for = sample.at - self._reported[0]
            if 0 <= quiet_for < self._quiet:
                return
        if self._probes.leaves_alone("store"):
            self._reported = None
            return
        latest = Write("set", HEALTH_STATUS, LATEST, word)
        try:
            async with asyncio.timeout(WRITE):
                each = [[latest], *([alert.write] for alert in alerts)]
                if refused := await commit_each(self._documents.batch, each):
                    log.error("figures not written", action="monitor", documents=len(refused))
        except (StoreAway, TimeoutError):
            self._reported = None
            return
        self._reported = (sample.at, gist)
        for alert in alerts:
            del self._unwritten[alert.id]
