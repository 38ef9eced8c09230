"""Decides, for the keeper, when to restart a fallen OS process, and which unanswered probes mean a hang (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from supervision.restarts import policy


@dataclass(frozen=True, slots=True)
class Falls:
    """Counts consecutive falls of a part within `min_uptime` seconds of its start.

    The tries have no limit, since no other process would start the part: a crash loop slows down until
    the pause reaches its cap.
    """

    streak: int = 0
    total: int = 0

    def fell(self, lived: float, min_uptime: float) -> Falls:
        """Returns the record after a fall; `lived` is in seconds since the part was ready."""
        return Falls(1 if lived >= min_uptime else self.streak + 1, self.total + 1)

    def pause(self, base: float, cap: float, chance: float) -> float:
        """Returns the seconds until the next start: 0 after a long life, else exponential with jitter."""
        return policy.restart_after(self.streak, base, cap, chance)


def lived(ready_at: float | None, now: float) -> float:
    """Returns the seconds for which a part was ready; 0 for one that never was."""
    return 0.0 if ready_at is None else now - ready_at


def hung(silences: int, interval: float, patience: float) -> bool:
    """Returns whether a part hangs after `silences` unanswered probes in a row.

    `interval` and `patience` are in seconds. One answer resets the count: a slow part does not hang.
    """
    return silences * interval >= patience
