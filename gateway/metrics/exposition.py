"""Counts requests and messages of this gateway process, and renders all series in Prometheus' text format.

No label ever carries a number, a text or a key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from actors.metrics.counters import measures
from actors.runtime.actor_base import cpu, resident
from actors.runtime.connection_ids import name_of
from actors.runtime.loop_watchdog import LoopWatchdog

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from actors.metrics.counters import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """The series that this process counts itself."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # no use to Prometheus
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._accepted = Counter(
            "teimoso_messages_accepted",
            "Messages accepted for sending; a read mark, or a change of a chat, counts as one, here and"
            " in what the queue counts.",
            ["connection"],
            registry=self.registry,
        )
        self._requests = Counter(
            "teimoso_http_requests",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "teimoso_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.watchdog, self._born = LoopWatchdog(), time.monotonic()
        # Finding a labelled child costs more than counting: remember it.
        self._accepted_by: dict[str, Counter] = {}
        self._answered_by: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def expect(self, connection: str) -> None:
        """Have the counter of the connection with this id before its first message."""
        self._accepted_of(connection)

    def accepted(self, connection: str) -> None:
        """Count a message of the connection with this id; the series has its name."""
        self._accepted_of(connection).inc()

    def _accepted_of(self, connection: str) -> Counter:
        counter = self._accepted_by.get(connection)
        if counter is None:
            name = name_of(connection)
            for former in [each for each in self._accepted_by if name_of(each) == name]:
                del self._accepted_by[former]
                self._accepted.remove(name)  # the next connection of a name begins anew
            counter = self._accepted_by[connection] = self._accepted.labels(name)
        return counter

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is the pattern of the path, so that no id becomes a label."""
        series = self._answered_by.get((method, route, status))
        if series is None:
            series = (
                self._requests.labels(method, route, status),
                self._seconds.labels(method, route),
            )
            self._answered_by[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    @property
    def own(self) -> list[Sample]:
        """The figures of this process under the names that actors use as well."""
        now = time.monotonic()
        return [
            *measures.samples,
            *cpu(),
            ("teimoso_process_memory_bytes", {}, float(resident())),
            ("teimoso_event_loop_lag_seconds", {}, self.watchdog.worst(now)),
            ("teimoso_process_uptime_seconds", {}, now - self._born),
        ]

    def render(self, *collected: Collector) -> bytes:
        """All series in Prometheus' text format."""
        registry = CollectorRegistry()
        for each in collected:
            registry.register(each)
        return generate_latest(self.registry) + generate_latest(registry)
