"""Builds the document ``health_status/latest`` for SQLite or Firestore; decides which changes need a write at once (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.health.alerts import PASSING, severity_of
from actors.health.summary import ACTIVE, FAILED, RECOVERING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.health.alerts import Alert
    from actors.health.checks import Verdict
    from actors.health.samples import Sample


def document(
    sample: Sample,
    verdict: Verdict,
    alerts: Iterable[Alert] | None = None,
    *,
    holds: float = 0.0,
) -> dict[str, Any]:
    """The document ``health_status/latest``; `alerts` are the active ones, None if not known.

    It holds for so many seconds: that long no news is no silence.
    """
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


def news(word: Mapping[str, Any]) -> object:
    """The part of ``health_status/latest`` whose change is news; drifting figures are not."""
    reasons = [(each["name"], each["status"], each["subject"]) for each in word["reasons"]]
    return word["status"], reasons, word["breakers"], word["connections"]
