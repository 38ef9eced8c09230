"""Builds the document ``health_status/latest`` for SQLite or Firestore; decides which changes need a write at once (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from actors.health.alerts import PASSING, severity_of
from actors.health.summary import ACTIVE, FAILED, RECOVERING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.health.alerts import Alert, AlertEntry, Severity
    from actors.health.breakers import State
    from actors.health.checks import Verdict
    from actors.health.samples import Sample
    from actors.health.summary import Status


class ReasonEntry(TypedDict):
    """Something that is not as it should be."""

    name: str
    """Its stable code."""
    status: Status
    """The status that the service has for it alone."""
    severity: Severity | None
    """That of its alert; null where it raises none."""
    subject: str | None
    """The connection, where it is about one."""
    detail: str
    """A sentence."""


class OwnUse(TypedDict):
    """The part of the machine that the instance uses."""

    cpu: float
    """Percent of the machine."""
    memory: int
    """Bytes."""
    processes: int
    """Number of its processes."""


class ConnectionTotals(TypedDict):
    """Numbers of connections."""

    total: int
    active: int
    failed: int
    recovering: int
    """Number of connections, and of those in such a state."""


class QueueTotals(TypedDict):
    """Numbers of messages in the queue."""

    waiting: int
    active: int
    failed: int
    """Number of messages in such a state."""


class ProbeEntry(TypedDict):
    """A probe of Redis or of the state store."""

    ok: bool
    """Whether it answered."""
    seconds: float
    """Time until it did."""


class HealthDocument(TypedDict):
    """The last look of the HealthMonitor."""

    status: Status
    """`healthy`, `degraded` or `unhealthy`."""
    reasons: list[ReasonEntry]
    """The reasons for the status."""
    alerts: list[AlertEntry] | None
    """Those that are active; null where that is not known."""
    at: float
    """When it looked."""
    holds: float
    """Seconds for which no news is no silence: 0, or on Firestore 900."""
    cpu: float
    memory: float
    """Percent of the machine."""
    own: OwnUse
    """The part of the instance."""
    disk: int | None
    """Bytes that are left on the fullest disk."""
    breakers: dict[str, State]
    """By what the monitor asks (`redis`, `store`, `bucket`, `connections`): `closed`, `open` or `half_open`."""
    redis: ProbeEntry
    store: ProbeEntry
    """The last probe of each."""
    connections: ConnectionTotals | None
    """Numbers of connections."""
    queue: QueueTotals | None
    """Numbers of messages."""


def document(
    sample: Sample,
    verdict: Verdict,
    alerts: Iterable[Alert] | None = None,
    *,
    holds: float = 0.0,
) -> HealthDocument:
    """The document ``health_status/latest``."""
    states = None if sample.connections is None else [s.state for s in sample.connections.values()]
    return {
        "status": verdict.status,
        "reasons": [
            {
                "name": reason.name,
                "status": reason.status,
                "severity": None if reason.name in PASSING else severity_of(reason),
                "subject": reason.subject,
                "detail": reason.detail,
            }
            for reason in verdict.reasons
        ],
        "alerts": None if alerts is None else [alert.shown for alert in alerts],
        "at": sample.at,
        "holds": holds,
        "cpu": round(sample.cpu, 1),
        "memory": round(sample.memory, 1),
        "own": {
            "cpu": round(sample.own_cpu, 1),
            "memory": sample.own_memory,
            "processes": sample.processes,
        },
        "disk": sample.disk,
        "breakers": dict(sample.breakers),
        "redis": {"ok": sample.redis.ok, "seconds": round(sample.redis.seconds, 4)},
        "store": {"ok": sample.store.ok, "seconds": round(sample.store.seconds, 4)},
        "connections": None
        if states is None
        else {
            "total": len(states),
            "active": sum(state in ACTIVE for state in states),
            "failed": sum(state in FAILED for state in states),
            "recovering": sum(state in RECOVERING for state in states),
        },
        "queue": None
        if sample.queue is None
        else {
            "waiting": sample.queue.waiting,
            "active": sample.queue.active,
            "failed": sample.queue.dead,
        },
    }


def news(word: HealthDocument) -> object:
    """The part of ``health_status/latest`` whose change is news; drifting figures are not."""
    reasons = [(each["name"], each["status"], each["subject"]) for each in word["reasons"]]
    return word["status"], reasons, word["breakers"], word["connections"]
