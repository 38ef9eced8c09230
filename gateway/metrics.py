"""What Prometheus reads: counters of this process, and a snapshot of queue and connections.

No label ever carries a number, a text or a key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.answers import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from actors.queue.lanes import Counts
    from actors.queue.spool import Depth
    from gateway.answers import Connection
    from gateway.observation import Observation

STATES: tuple[str, ...] = get_args(State)
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
            "Messages accepted for sending.",
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
        # Finding a labelled child costs more than counting: remember it.
        self._accepted_by: dict[str, Counter] = {}
        self._answered_by: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def accepted(self, connection: str) -> None:
        counter = self._accepted_by.get(connection)
        if counter is None:
            counter = self._accepted_by[connection] = self._accepted.labels(connection)
        counter.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        series = self._answered_by.get((method, route, status))
        if series is None:
            series = (
                self._requests.labels(method, route, status),
                self._seconds.labels(method, route),
            )
            self._answered_by[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def render(self, snapshot: Snapshot) -> bytes:
        """All series in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(snapshot)
        return generate_latest(self.registry) + generate_latest(registry)


class Snapshot(Collector):
    """Queue and connections at one moment; what could not be read has no series."""

    def __init__(self, seen: Observation, now: float | None = None) -> None:
        self._seen = seen
        self._now = time.time() if now is None else now

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "teimoso_redis_up", "Whether Redis answers.", value=float(self._seen.redis)
        )
        yield GaugeMetricFamily(
            "teimoso_state_store_up",
            "Whether the state store answers.",
            value=float(self._seen.store),
        )
        if self._seen.spool is not None:
            yield from self._spool(self._seen.spool)
        if self._seen.redis:
            yield from self._queue(self._seen.counts)
        yield from self._states(self._seen.connections)

    def _spool(self, depth: Depth) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "teimoso_spool_messages",
            "Messages on this host's disk that the queue does not have yet.",
            value=depth.count,
        )
        oldest = self._now if depth.oldest_at is None else depth.oldest_at
        yield GaugeMetricFamily(
            "teimoso_spool_oldest_age_seconds",
            "Age of the oldest of them; 0 when there is none.",
            value=max(0.0, self._now - oldest),
        )

    def _queue(self, counts: Mapping[str, Counts]) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "teimoso_queue_messages", "Messages in the queue.", labels=["connection", "status"]
        )
        age = GaugeMetricFamily(
            "teimoso_queue_oldest_age_seconds",
            "Age of the oldest message that is not finished; 0 when there is none.",
            labels=["connection"],
        )
        for connection, of in counts.items():
            depth.add_metric([connection, "waiting"], of.waiting)
            depth.add_metric([connection, "active"], of.active)
            depth.add_metric([connection, "delayed"], of.delayed)
            depth.add_metric([connection, "dead"], of.dead)
            oldest = self._now if of.oldest_at is None else of.oldest_at
            age.add_metric([connection], max(0.0, self._now - oldest))
        yield depth
        yield age

    def _states(self, connections: Sequence[Connection]) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "teimoso_connection_state",
            "1 for the state that the connection is in, 0 for the others.",
            labels=["connection", "state"],
        )
        epoch = GaugeMetricFamily(
            "teimoso_connection_epoch", "The connection's epoch.", labels=["connection"]
        )
        restarts = CounterMetricFamily(
            "teimoso_connection_restarts",
            "Times that the connection was taken over from an owner that had died.",
            labels=["connection"],
        )
        for connection in connections:
            for name in STATES:
                state.add_metric([connection.id, name], float(connection.state == name))
            epoch.add_metric([connection.id], connection.epoch)
            restarts.add_metric([connection.id], connection.restarts)
        yield state
        yield epoch
        yield restarts
