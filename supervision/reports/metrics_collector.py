"""Counters of the root's children and its own, collected into the file of sums."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import structlog

from actors.metrics.counters import Lag, measures
from actors.runtime.actor_base import resident
from actors.runtime.connection_ids import name_of
from supervision.reports import metrics_file
from supervision.reports.recovery_log import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from actors.metrics.counters import Sample
    from supervision.children import Child
    from supervision.keeper.restart_log import Restart

log = structlog.get_logger()

EVERY = 2.0
"""Seconds between two writes."""

FALLS = ("crashed", "hung")
ROLES = ("connection", "state", "queue", "health", "root", "gateway", "valkey", "ray")


class Tallying:
    """Writes the tally every `EVERY` seconds. While the disk is full it is old, and the gateway says so."""

    def __init__(self, data: Path, lag: Lag) -> None:
        self._data = data
        self._tally = metrics_file.resumed(data)
        self._lag = lag
        self._life = uuid.uuid4().hex
        self._born = time.monotonic()
        self._failed = False
        for role in ROLES:
            # There before the first: a rate sees no series' first step.
            for cause in FALLS:
                measures.count("teimoso_restarts", 0, role=role, cause=cause)
        measures.count("teimoso_restarts", 0, role="connection", cause="zombie")
        for cause in FALLS:
            measures.expect("teimoso_recovery_seconds", role="connection", cause=cause)
        measures.count("teimoso_epochs_lost", 0)
        measures.count("teimoso_given_up", 0, cause="crash_loop")

    def told(self, child: Child, told: Mapping[str, Any]) -> None:
        """A child said how it is, or why it ended."""
        role, connection = child.role, name_of(child.serves or "")
        if role == "connection" and not connection:
            role = "standby"
        gauges: list[Sample] = list(told.get("gauges", ()))
        if "memory" in told:
            lag = max(told["lag"], told.get("lagged", 0.0))
            gauges += _process(told["memory"], lag, told["uptime"])
        self._tally.report(
            child.name,
            str(child.pid),
            told.get("measures", ()),
            gauges,
            role=role,
            connection=connection,
        )

    def heard(self, noted: Iterable[Restart]) -> None:
        """The keeper's restarts; each counts once, also for a new root."""
        # Not the root: each counts itself.
        ids = {one.action["id"]: one for one in noted if one.role != "root"}
        for id_ in ids.keys() - self._tally.heard:
            count(ids[id_].action)
        self._tally.heard = set(ids)

    def back(self) -> None:
        """A root ended while its children lived, and here is the next."""
        measures.count("teimoso_restarts", role="root", cause="crashed")

    def gone(self, child: Child) -> None:
        """A child is no more."""
        self._tally.gone(child.name)

    def forget(self, connection: str) -> None:
        """A connection was removed."""
        self._tally.forget(name_of(connection))

    async def keep(self, children: Iterable[Child]) -> None:
        """Write for ever; `children` are those that there are, read anew each time."""
        while True:
            now = time.monotonic()
            gauges = _process(resident(), self._lag.worst(now), now - self._born)
            self._tally.report("root", self._life, measures.samples, gauges, role="root")
            self._tally.only(["root", *(child.name for child in children)])
            try:
                await asyncio.to_thread(metrics_file.write, self._data, self._tally.plain)
                self._failed = False
            except OSError as error:
                if not self._failed:
                    log.warning("not written", action="tally", error=os.strerror(error.errno or 0))
                self._failed = True
            await asyncio.sleep(EVERY)


def _process(memory: float, lag: float, uptime: float) -> list[Sample]:
    return [
        ("teimoso_process_memory_bytes", {}, memory),
        ("teimoso_event_loop_lag_seconds", {}, lag),
        ("teimoso_process_uptime_seconds", {}, uptime),
    ]
