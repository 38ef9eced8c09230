"""Counts and times events of an actor or gateway in the memory of its process, and declares these metrics.

A process has one `measures`. The root reads an actor's with its health and sums them up over
restarts (`supervision/reports/metrics_file.py`), the one place where these counts outlive a process; nothing on the path
of a message waits for that. No label ever carries a number, a text or a key (G10).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Value: TypeAlias = "float | list[float]"
Sample: TypeAlias = "tuple[str, dict[str, str], Value]"
"""A name, labels, and a number; of a histogram a count for each bucket, one for more, and the sum."""

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True)
class Series:
    """A metric: its name and meaning. The labels `role` and `connection` come from the process that reports."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


SERIES: Mapping[str, Series] = {
    each.name: each
    for each in (
        Series(
            "teimoso_messages_received",
            "counter",
            "Messages that arrived and are in the state store.",
            ("connection",),
        ),
        Series(
            "teimoso_messages_undecryptable",
            "counter",
            "Messages that could not be read, also after their resend was asked for.",
            ("connection",),
        ),
        Series(
            "teimoso_acks_withheld",
            "counter",
            "Stanzas that were not acknowledged to WhatsApp at once: the state store had to have them first"
            " (store), or the session could not be written (session).",
            ("connection", "reason"),
        ),
        Series(
            "teimoso_sends_deferred",
            "counter",
            "Times that a limit of the account kept a message from leaving; no attempt was made.",
            ("connection", "reason"),
        ),
        Series(
            "teimoso_whatsapp_ack_seconds",
            "histogram",
            "Time from a message's departure to WhatsApp's acknowledgement.",
            ("connection",),
            FAST,
        ),
        Series(
            "teimoso_socket_closes",
            "counter",
            "Closed sockets, by cause (docs/architecture.md).",
            ("connection", "cause"),
        ),
        Series(
            "teimoso_stanzas_unanswered",
            "counter",
            "Stanzas of WhatsApp's that it closed the socket for, because no answer came.",
            ("connection", "stanza"),
        ),
        Series(
            "teimoso_zombies",
            "counter",
            "Connections that were open, carried nothing, and were restarted for it.",
            ("connection",),
        ),
        Series(
            "teimoso_traffic_age_seconds",
            "gauge",
            "Time since something of WhatsApp's was read last; only while the connection is open.",
            ("connection",),
        ),
        Series(
            "teimoso_backups",
            "counter",
            "Looks after the copy of a session: kept (the bucket has it as it is) or failed.",
            ("connection", "outcome"),
        ),
        Series(
            "teimoso_redis_seconds",
            "histogram",
            "Round trips to Redis of what the queue and the leases ask; many share one.",
            ("role",),
            FAST,
        ),
        Series(
            "teimoso_state_store_seconds",
            "histogram",
            "Time that the state store takes: a batch (write), one document (read).",
            ("operation",),
            FAST,
        ),
        Series(
            "teimoso_state_store_failures",
            "counter",
            "Batches and looks that the state store did not answer.",
            ("operation",),
        ),
        Series(
            "teimoso_state_store_refusals",
            "counter",
            "Calls that the state store takes never, however often they are repeated (refused), or that"
            " this service cannot make a document of (mistake).",
            ("reason",),
        ),
        Series(
            "teimoso_own_mistakes",
            "counter",
            "Stanzas, files, commands, sends and other items that failed alone by an error that nothing foresees,"
            " by the action of their line in the log; each rise is the alert own_mistake.",
            ("role", "connection", "action"),
        ),
        Series(
            "teimoso_documents_set_aside",
            "counter",
            "Items that the state store refuses, set aside until a person decides.",
            ("connection",),
        ),
        Series(
            "teimoso_limits_reached",
            "counter",
            "Calls that were refused by a limit, by the setting that names it.",
            ("limit",),
        ),
        Series(
            "teimoso_files_deferred",
            "counter",
            "Files that arrived and wait: for room (disk_reserve, connection_part), or for the next day (connection_budget,"
            " sender_budget).",
            ("connection", "reason"),
        ),
        Series(
            "teimoso_webhook_attempts",
            "counter",
            "Attempts to deliver an event to a webhook, by what follows: delivered, retry, dead or gone.",
            ("outcome",),
        ),
        Series(
            "teimoso_webhook_seconds",
            "histogram",
            "Time until an endpoint answered, or the attempt failed.",
            (),
            FAST,
        ),
        Series(
            "teimoso_breaker_state",
            "gauge",
            "The circuit breaker of what the monitor asks: 0 closed, 1 half-open, 2 open.",
            ("of",),
        ),
        Series(
            "teimoso_restarts",
            "counter",
            "Processes that were started again, by what ended them.",
            ("role", "cause"),
        ),
        Series(
            "teimoso_recovery_seconds",
            "histogram",
            "Time from the end of a process to its successor at work.",
            ("role", "cause"),
            SLOW,
        ),
        Series(
            "teimoso_given_up",
            "counter",
            "Connections that were left failed, by cause.",
            ("cause",),
        ),
        Series(
            "teimoso_epochs_lost",
            "counter",
            "Owners that ended because a newer one had their lease.",
            (),
        ),
        Series(
            "teimoso_event_loop_lag_seconds",
            "gauge",
            "The worst delay of the process's event loop within the last half minute.",
            ("role", "connection"),
        ),
        Series(
            "teimoso_loop_silences",
            "counter",
            "Silences of the process's event loop above 100 ms, in which its thread computed, was blocked in a call,"
            " or waited for a core or for another thread.",
            ("role", "connection", "kind"),
        ),
        Series(
            "teimoso_process_memory_bytes",
            "gauge",
            "Resident memory of the process.",
            ("role", "connection"),
        ),
        Series(
            "teimoso_process_cpu_seconds",
            "counter",
            "Processor time of the process, and of those before it.",
            ("role", "connection"),
        ),
        Series(
            "teimoso_process_uptime_seconds",
            "gauge",
            "Age of the process.",
            ("role", "connection"),
        ),
        Series(
            "teimoso_inbox_age_seconds",
            "gauge",
            "Time for which the oldest received item has waited for the state store or the queue; 0 for none.",
            ("connection",),
        ),
        Series(
            "teimoso_backup_age_seconds",
            "gauge",
            "Age of the newest moment at which the bucket had the session as it was.",
            ("connection",),
        ),
        Series(
            "teimoso_backup_interval_seconds",
            "gauge",
            "Interval between copies of a session that changed (SESSION_BACKUP_INTERVAL).",
            ("connection",),
        ),
    )
}


class Measures:
    """Counters and histograms of one process; they only rise, and die with it.

    Read from another thread than that which counts: the figures may be a step behind.
    """

    def __init__(self, series: Mapping[str, Series] = SERIES) -> None:
        self._series = series
        self._counters: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._histograms: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Raise a counter; by 0 it is there before the first time."""
        key = (name, tuple(labels.items()))
        self._counters[key] = self._counters.get(key, 0) + by

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Count into a histogram."""
        counts = self._histogram(name, tuple(labels.items()))
        counts[bisect_left(self._series[name].buckets, seconds)] += 1
        counts[-1] += seconds

    def expect(self, name: str, **labels: str) -> None:
        """Have a histogram before its first observation."""
        self._histogram(name, tuple(labels.items()))

    def _histogram(self, name: str, labels: tuple[tuple[str, str], ...]) -> list[float]:
        key = (name, labels)
        counts = self._histograms.get(key)
        if counts is None:
            counts = self._histograms[key] = [0.0] * (len(self._series[name].buckets) + 2)
        return counts

    @property
    def samples(self) -> list[Sample]:
        """All of it, as values that may be sent elsewhere."""
        counters = [(name, dict(labels), v) for (name, labels), v in list(self._counters.items())]
        histograms = [
            (name, dict(labels), list(counts))
            for (name, labels), counts in list(self._histograms.items())
        ]
        return [*counters, *histograms]


measures = Measures()
