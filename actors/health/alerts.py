"""Decides from each health round's verdict which alerts are raised, repeated, changed and cleared (pure).

An alert is one lasting condition on one subject. It is raised once the condition was there for
some rounds in a row (a peak of the CPU is no news) and cleared after two rounds without it, so
that a condition that flaps stays one alert. While it lasts it is repeated, each time after twice as long, so that
it is neither forgotten nor a flood. A warning that becomes critical is repeated at once. A round
that could not judge the condition changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from actors.runtime.backoff import doubled
from actors.runtime.limits.limit_uses import LIMIT_ALERTS
from actors.state.documents import HEALTH_ALERTS, Write
from actors.state.events.derivation import of_alert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.health.checks import Reason, Verdict

Severity = Literal["warning", "critical"]
Key = tuple[str, str | None]  # the reason's name and its subject

PATIENT = frozenset({"cpu_high", "memory_high", "redis_slow", "store_slow", "queue_backlog"})
RAISE_AFTER = 2  # rounds, for those that have peaks; the others are raised at once
CLEAR_AFTER = 2  # rounds
MAX_REPEAT_PAUSE_SECONDS = 86_400.0  # unless the first pause is longer
CRITICAL = frozenset(
    {
        "redis_away",
        "store_away",
        "vault_away",
        "disk_full",
        "all_failed",
        "connection_failed",
        "connection_blocked",
        "whatsapp_away",
    }
)
DRIFTING = frozenset(
    {
        "cpu_high",
        "memory_high",
        "disk_full",
        "redis_slow",
        "store_slow",
        "connection_stale",
        "queue_backlog",
        "whatsapp_away",
    }
    | LIMIT_ALERTS
)
"""Alerts with a figure that moves in most rounds: it is written when they are repeated or cleared, and is up to date in
``health_status/latest``. Each other alert is written whenever its reason or severity changes."""
PASSING = frozenset({"files_deferred"})
"""Reasons that raise no alert: they pass by themselves, and nobody has to do anything."""


def severity_of(reason: Reason) -> Severity:
    """The severity of the alert that a reason raises."""
    return "critical" if reason.urgent or reason.name in CRITICAL else "warning"


class AlertEntry(TypedDict):
    """An active alert in ``health_status/latest``."""

    name: str
    """Its stable code."""
    subject: str | None
    """The connection, where it is about one."""
    severity: Severity
    """`warning` or `critical`."""
    reason: str
    """A sentence."""
    raised_at: float
    """When it was raised."""


class AlertDocument(AlertEntry):
    """An alert, active until `cleared_at`."""

    active: bool
    """Whether it is not cleared."""
    cleared_at: float | None
    """When it was cleared."""
    told_at: float
    repeats: int
    """The time of its last event, and how many repeated it since it was raised."""
    at: float
    """As `raised_at`, by which lists are sorted."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, with the fields of its document. Times in seconds since the epoch."""

    name: str
    subject: str | None
    severity: Severity
    reason: str
    raised_at: float
    cleared_at: float | None = None
    told_at: float | None = None
    repeats: int = 0

    def due(self, at: float, every: float) -> bool:
        """Return whether to repeat it; `every` is the first pause in seconds, 0 is never."""
        pause = max(every, doubled(self.repeats + 1, every, MAX_REPEAT_PAUSE_SECONDS))
        told_at = self.raised_at if self.told_at is None else self.told_at
        # A report in the future was made before the clock was set back.
        return every > 0 and not 0 <= at - told_at < pause

    def again(self, at: float) -> Alert:
        """Return the alert as repeated at that time."""
        return replace(self, told_at=at, repeats=self.repeats + 1)

    def became(self, before: Alert | None) -> str:
        """The change from `before`, as the log reports it."""
        if before is None:
            return "alert_raised"
        if self.cleared_at is not None:
            return "alert_cleared"
        return "alert_repeated" if self.repeats > before.repeats else "alert_changed"

    @property
    def id(self) -> str:
        """The same alert written twice is one document."""
        subject = "" if self.subject is None else f".{self.subject}"
        return f"{self.name}{subject}.{round(self.raised_at * 1000)}"

    @property
    def shown(self) -> AlertEntry:
        """The entry of an active alert in ``health_status/latest``."""
        return {
            "name": self.name,
            "subject": self.subject,
            "severity": self.severity,
            "reason": self.reason,
            "raised_at": self.raised_at,
        }

    @property
    def write(self) -> Write:
        """The write that stores it as it is now."""
        data: AlertDocument = {
            **self.shown,
            "active": self.cleared_at is None,
            "cleared_at": self.cleared_at,
            "told_at": self.raised_at if self.told_at is None else self.told_at,
            "repeats": self.repeats,
            "at": self.raised_at,
        }
        return Write("set", HEALTH_ALERTS, self.id, data, events=of_alert)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The alert that a document of ``health_alerts`` holds."""
        return cls(
            name=document["name"],
            subject=document["subject"],
            severity=document["severity"],
            reason=document["reason"],
            raised_at=document["raised_at"],
            cleared_at=document["cleared_at"],
            told_at=document.get("told_at"),
            repeats=document.get("repeats", 0),
        )


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts that are active, and for how many rounds each condition was there or not."""

    active: Mapping[Key, Alert] = field(default_factory=dict)
    there: Mapping[Key, int] = field(default_factory=dict)
    absent: Mapping[Key, int] = field(default_factory=dict)

    @classmethod
    def resumed(cls, active: Iterable[Alert]) -> Alerts:
        """Go on with what an earlier monitor raised. Of two on one condition the older counts."""
        by_age = sorted(active, key=lambda alert: -alert.raised_at)
        return cls(active={(alert.name, alert.subject): alert for alert in by_age})

    def judged(
        self, verdict: Verdict, at: float, every: float = 0.0
    ) -> tuple[Alerts, tuple[Alert, ...]]:
        """Return the alerts after a round, and those that it raised, repeated, changed or cleared.

        `every`: seconds after which an alert is repeated for the first time, 0 for never.
        """
        reasons = {
            (reason.name, reason.subject): reason
            for reason in verdict.reasons
            if reason.name not in PASSING
        }
        active = dict(self.active)
        changed: list[Alert] = []
        there: dict[Key, int] = {k: n for k, n in self.there.items() if k[0] in verdict.unknown}
        absent: dict[Key, int] = {k: n for k, n in self.absent.items() if k[0] in verdict.unknown}
        for key, reason in reasons.items():
            there[key] = self.there.get(key, 0) + 1
            severity = severity_of(reason)
            if key not in active and there[key] >= (RAISE_AFTER if key[0] in PATIENT else 1):
                active[key] = Alert(*key, severity, reason.detail, at)
                changed.append(active[key])
            elif key in active:
                now = active[key]
                worse = (now.severity, severity) == ("warning", "critical")
                if worse or now.due(at, every):
                    now = now.again(at)
                differs = now is not active[key]
                now = replace(now, reason=reason.detail, severity=severity)
                if differs or (key[0] not in DRIFTING and now != active[key]):
                    changed.append(now)
                active[key] = now
        for key in self.active:
            if key in reasons or key[0] in verdict.unknown:
                continue
            absent[key] = self.absent.get(key, 0) + 1
            if absent[key] >= CLEAR_AFTER:
                del absent[key]
                changed.append(replace(active.pop(key), cleared_at=at))
        return Alerts(active, there, absent), tuple(changed)
