"""Adds up counters of root, child actors and restarts in the root actor; writes the totals to the metrics file."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import structlog

from actors.metrics.counters import measures
from actors.metrics.mistakes import OWN_MISTAKES
from actors.runtime.actor_base import cpu, resident
from actors.runtime.connection_ids import name_of
from supervision.reports import metrics_file
from supervision.reports.recovery_log import count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from actors.metrics.counters import Sample
    from actors.runtime.loop_watchdog import LoopWatchdog
    from supervision.child import Child
    from supervision.keeper.restart_log import Restart

log = structlog.get_logger()

METRICS_WRITE_SECONDS = 2.0
"""Seconds between two writes."""

FALL_REASONS = ("crashed", "hung")
REPORTED_ROLES = (
    "connection",
    "state",
    "queue",
    "health",
    "root",
    "gateway",
    "valkey",
    "ray",
    "program",
)


class MetricsCollector:
    """Writes the totals every `METRICS_WRITE_SECONDS`. On a full disk the file stays old, and the gateway reports that."""

    def __init__(self, data: Path, watchdog: LoopWatchdog) -> None:
        self._data = data
        self._totals = metrics_file.resumed(data)
        self._noted = self._totals.by_label(OWN_MISTAKES, "action")
        self._watchdog = watchdog
        self._life = uuid.uuid4().hex
        self._born = time.monotonic()
        self._failed = False
        for role in REPORTED_ROLES:
            # Series exist from 0 on: a rate ignores the first value of a series.
            for cause in FALL_REASONS:
                measures.count("teimoso_restarts", 0, role=role, cause=cause)
        measures.count("teimoso_restarts", 0, role="connection", cause="zombie")
        for cause in FALL_REASONS:
            measures.expect("teimoso_recovery_seconds", role="connection", cause=cause)
        measures.count("teimoso_epochs_lost", 0)
        measures.count("teimoso_given_up", 0, cause="crash_loop")

    def report(self, child: Child, health: Mapping[str, Any]) -> None:
        """Adds the counters in the health or the last report of a child."""
        role, connection = child.role, name_of(child.serves or "")
        if role == "connection" and not connection:
            role = "standby"
        gauges: list[Sample] = list(health.get("gauges", ()))
        if "memory" in health:
            gauges += _process(health["own_memory"], health["lagged"], health["uptime"])
        self._totals.report(
            child.name,
            str(child.pid),
            health.get("measures", ()),
            gauges,
            role=role,
            connection=connection,
        )

    def count_restarts(self, noted: Iterable[Restart]) -> None:
        """Counts restarts by the keeper, each once, also after a restart of the root."""
        # Not those of the root, which counts itself.
        ids = {one.action["id"]: one for one in noted if one.role != "root"}
        for id_ in ids.keys() - self._totals.counted:
            count(ids[id_].action)
        self._totals.counted = set(ids)

    def count_root_restart(self) -> None:
        """Counts a restart of the root while its children lived."""
        measures.count("teimoso_restarts", role="root", cause="crashed")

    def ended(self, child: Child) -> None:
        """Ends the gauges of a child; its counts stay."""
        self._totals.ended(child.name)

    def forget(self, connection: str) -> None:
        """Ends the series of a removed connection."""
        self._totals.forget(name_of(connection))

    async def run(self, children: Iterable[Child], note: Callable[[str], Awaitable[bool]]) -> None:
        """Writes the file for ever; `children` is iterated anew for each write.

        `note` is called with the action of each mistake that an actor counted, until it returns True.
        """
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._write(children))
            loops.create_task(self._note_mistakes(note))

    async def _write(self, children: Iterable[Child]) -> None:
        while True:
            now = time.monotonic()
            gauges = _process(resident(), self._watchdog.worst(now), now - self._born)
            counted = [*measures.samples, *cpu()]
            self._totals.report("root", self._life, counted, gauges, role="root")
            self._totals.only(["root", *(child.name for child in children)])
            try:
                await asyncio.to_thread(metrics_file.write, self._data, self._totals.plain)
                self._failed = False
            except OSError as error:
                if not self._failed:
                    log.warning(
                        "metrics not written", action="metrics", error=os.strerror(error.errno or 0)
                    )
                self._failed = True
            await asyncio.sleep(METRICS_WRITE_SECONDS)

    async def _note_mistakes(self, note: Callable[[str], Awaitable[bool]]) -> None:
        while True:
            for action, total in self._totals.by_label(OWN_MISTAKES, "action").items():
                if total <= self._noted.get(action, 0) or await note(action):
                    self._noted[action] = total
            await asyncio.sleep(METRICS_WRITE_SECONDS)


def _process(memory: float, lag: float, uptime: float) -> list[Sample]:
    return [
        ("teimoso_process_memory_bytes", {}, memory),
        ("teimoso_event_loop_lag_seconds", {}, lag),
        ("teimoso_process_uptime_seconds", {}, uptime),
    ]
