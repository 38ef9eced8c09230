"""Converts the gateway's snapshot (stores, queue, connections, load) to Prometheus series, for the metrics route."""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from actors.health.breakers import BREAKER_LEVELS
from actors.queue.records import CONNECTION_COUNTERS, TOOK
from actors.runtime.connection_ids import name_of
from gateway.schemas.response_models import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from actors.queue.outbound_queue import Counts
    from actors.queue.records import Flow
    from actors.redis.client import RedisMemory
    from gateway.instance_snapshot import InstanceSnapshot
    from gateway.schemas.response_models import Connection

CONNECTION_STATES: tuple[str, ...] = get_args(State)

RULED_ALERTS = (
    "instance_backup_failed",
    "instance_backup_incomplete",
    "instance_backup_in_future",
)
"""Alerts that a rule of Prometheus asks for; they are shown as 0 while they are not active."""

FLOWS: Mapping[str, tuple[str, str]] = {
    "queued": ("teimoso_messages_queued", "Messages that entered the queue."),
    "sent": ("teimoso_messages_sent", "Messages that WhatsApp acknowledged."),
    "delivered": ("teimoso_messages_delivered", "Messages that reached a device of the recipient."),
    "read": ("teimoso_messages_read", "Messages that the recipient read."),
    "dead": ("teimoso_messages_dead", "Messages that became dead letters."),
    "cancelled": ("teimoso_messages_cancelled", "Messages that were cancelled."),
    "retries": ("teimoso_messages_retries", "Attempts that failed and are made again."),
    "cut_off": ("teimoso_messages_cut_off", "Attempts that the end of their owner cut off."),
    "redriven": ("teimoso_messages_redriven", "Dead letters that were sent again."),
    "revived": (
        "teimoso_messages_revived",
        "Dead or cancelled messages that turned out to have been sent.",
    ),
}
assert set(FLOWS) == set(CONNECTION_COUNTERS)


class GaugeFamilies(Collector):
    """Queue and connections at one moment; figures that could not be read have no series."""

    def __init__(self, seen: InstanceSnapshot, now: float | None = None) -> None:
        self._seen = seen
        self._now = time.time() if now is None else now

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        yield GaugeMetricFamily(
            "teimoso_redis_up", "Whether Redis answers.", value=float(seen.redis)
        )
        yield GaugeMetricFamily(
            "teimoso_state_store_up",
            "Whether the state store answers.",
            value=float(seen.store),
        )
        if seen.durable is not None:
            yield GaugeMetricFamily(
                "teimoso_redis_durable",
                "Whether Redis is known to have on disk what it acknowledged.",
                value=float(seen.durable.holds),
            )
        if seen.memory_of_redis is not None:
            yield from _memory(seen.memory_of_redis)
        if seen.redis:
            yield from self._queue(seen.counts)
            yield from _flows(seen.flows)
            taken = GaugeMetricFamily(
                "teimoso_queue_bytes",
                "Bytes of Redis that the messages of the connection take, finished ones too.",
                labels=["connection"],
            )
            for connection, flow in seen.flows.items():
                taken.add_metric([name_of(connection)], flow.bytes)
            yield taken
        stored = GaugeMetricFamily(
            "teimoso_connection_stored_bytes",
            "Bytes that the connection keeps in a state store on the disk: messages, events, deliveries.",
            labels=["connection"],
        )
        for connection, size in seen.stored_bytes.items():
            stored.add_metric([name_of(connection)], size)
        yield stored
        share = GaugeMetricFamily(
            "teimoso_limit_used_ratio",
            "Share of a limit that is used; without a connection it is that of the instance. Above 1 once the limit is lowered,"
            " or others leave a connection a smaller part; MEDIA_LIMIT also by files that arrive, and those of the state store"
            " by what becomes of messages that were accepted.",
            labels=["limit", "connection"],
        )
        for use in seen.limits:
            holder = "" if use.connection is None else name_of(use.connection)
            share.add_metric([use.setting, holder], use.share)
        yield share
        yield from self._states(seen.connections)
        yield _alerts(seen.latest)
        yield from _machine(seen)

    def _queue(self, counts: Mapping[str, Counts]) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "teimoso_queue_messages", "Messages in the queue.", labels=["connection", "status"]
        )
        age = GaugeMetricFamily(
            "teimoso_queue_oldest_age_seconds",
            "Time for which a message could have left, the longest; limits, pacing and send_at do not count.",
            labels=["connection"],
        )
        for connection, of in ((name_of(each), of) for each, of in counts.items()):
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
        wanted = GaugeMetricFamily(
            "teimoso_connection_wanted",
            "1 where the connection was linked once and should run.",
            labels=["connection"],
        )
        epoch = GaugeMetricFamily(
            "teimoso_connection_epoch", "The connection's epoch.", labels=["connection"]
        )
        breaker = GaugeMetricFamily(
            "teimoso_connection_breaker_state",
            "The circuit breaker of the connection: 0 closed, 1 half-open, 2 open.",
            labels=["connection"],
        )
        limited = GaugeMetricFamily(
            "teimoso_connection_limited_seconds",
            "Time for which WhatsApp still lets the account write to nobody new; 0 where it may.",
            labels=["connection"],
        )
        ends = GaugeMetricFamily(
            "teimoso_connection_version_ends_seconds",
            "Time until WhatsApp stops accepting the announced version; +Inf where no end is known.",
            labels=["connection"],
        )
        refused = GaugeMetricFamily(
            "teimoso_connection_refused_documents",
            "Items received and messages sent that the state store refuses for good, until a person decides.",
            labels=["connection"],
        )
        deferred = GaugeMetricFamily(
            "teimoso_connection_deferred_files",
            "Files that arrived and wait until there is room on the disk, or until the next day.",
            labels=["connection", "until"],
        )
        restarts = CounterMetricFamily(
            "teimoso_connection_restarts",
            "Times that the connection was taken over from an owner that had died.",
            labels=["connection"],
        )
        for connection in connections:
            for name in CONNECTION_STATES:
                state.add_metric([connection.id, name], float(connection.state == name))
            linked = connection.account is not None
            wanted.add_metric([connection.id], float(linked and connection.desired == "running"))
            epoch.add_metric([connection.id], connection.epoch)
            restarts.add_metric([connection.id], connection.restarts)
            breaker.add_metric([connection.id], BREAKER_LEVELS[connection.breaker])
            limited.add_metric([connection.id], self._left(connection.limited_until))
            refused.add_metric([connection.id], connection.refused_documents)
            tomorrow = connection.over_budget_files
            deferred.add_metric([connection.id, "room"], connection.deferred_files - tomorrow)
            deferred.add_metric([connection.id, "next_day"], tomorrow)
            end = connection.version_ends_at
            ends.add_metric([connection.id], math.inf if end is None else self._left(end))
        yield state
        yield wanted
        yield epoch
        yield restarts
        yield breaker
        yield limited
        yield refused
        yield deferred
        yield ends

    def _left(self, until: str | None) -> float:
        """Seconds until then."""
        end = 0.0 if until is None else datetime.fromisoformat(until).timestamp()
        return max(0.0, end - self._now)


def _alerts(latest: Mapping[str, Any] | None) -> Metric:
    """The active alerts in what the health monitor wrote last."""
    active = GaugeMetricFamily(
        "teimoso_alerts", "Active alerts of the instance and its connections.", labels=["alert"]
    )
    numbers = Counter(each["name"] for each in (latest or {}).get("alerts") or ())
    for name in sorted({*numbers, *RULED_ALERTS}):
        active.add_metric([name], numbers[name])
    return active


def _memory(memory: RedisMemory) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "teimoso_redis_memory_bytes", "Memory that Redis has in use.", value=memory.used
    )
    if memory.limit is not None:
        yield GaugeMetricFamily(
            "teimoso_redis_memory_limit_bytes",
            "Memory of Redis from which sends are refused.",
            value=memory.limit,
        )


def _flows(flows: Mapping[str, Flow]) -> Iterator[Metric]:
    for key, (name, help_) in FLOWS.items():
        counter = CounterMetricFamily(name, help_, labels=["connection"])
        for connection, flow in ((name_of(each), flow) for each, flow in flows.items()):
            counter.add_metric([connection], flow.counts[key])
        yield counter
    lost = GaugeMetricFamily(
        "teimoso_messages_unaccounted",
        "Messages that entered the queue and are nowhere now; anything but 0 breaks a promise.",
        labels=["connection"],
    )
    took = HistogramMetricFamily(
        "teimoso_message_sent_seconds",
        "Time from when a message could leave to WhatsApp's acknowledgement; limits and pacing do not count.",
        labels=["connection"],
    )
    bounds = [*map(str, TOOK), "+Inf"]
    for connection, flow in ((name_of(each), flow) for each, flow in flows.items()):
        lost.add_metric([connection], flow.unaccounted)
        took.add_metric(
            [connection],
            list(zip(bounds, accumulate(flow.took), strict=True)),
            flow.took_seconds,
        )
    yield lost
    yield took


def _machine(seen: InstanceSnapshot) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "teimoso_machine_cpu_ratio", "CPU of the machine in use, 0 to 1.", value=seen.cpu / 100
    )
    yield GaugeMetricFamily(
        "teimoso_machine_memory_ratio",
        "Memory of the machine in use, 0 to 1.",
        value=seen.memory / 100,
    )
    if seen.files_room is not None:
        yield GaugeMetricFamily(
            "teimoso_files_room_bytes",
            "Bytes that files of messages may still take: those free on their disk beyond DISK_RESERVE.",
            value=seen.files_room,
        )
    if seen.disk is not None:
        yield GaugeMetricFamily(
            "teimoso_disk_free_bytes",
            "Bytes left on the fullest disk that the service writes to.",
            value=seen.disk.free,
        )
        yield GaugeMetricFamily(
            "teimoso_disk_size_bytes", "Size of that disk.", value=seen.disk.size
        )
