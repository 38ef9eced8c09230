"""The time at which a part that fell is started again (pure: seconds and chance in, values out)."""

from __future__ import annotations

from dataclasses import dataclass

from supervision import policy


@dataclass(frozen=True, slots=True)
class Falls:
    """Counts consecutive falls of a part before it had lived for `min_uptime` seconds.

    There is no last try: nobody else would start the part, so a part in a crash loop is tried
    again for ever, ever more slowly, until the pause reaches its cap.
    """

    streak: int = 0
    total: int = 0

    def fell(self, lived: float, min_uptime: float) -> Falls:
        """The record after a life of `lived` seconds, counted from when the part was ready."""
        return Falls(1 if lived >= min_uptime else self.streak + 1, self.total + 1)

    def pause(self, base: float, cap: float, chance: float) -> float:
        """Seconds until the next start: none after a long life, else exponential with jitter."""
        return policy.restart_after(self.streak, base, cap, chance)


def lived(ready_at: float | None, now: float) -> float:
    """The time for which a part served. A part that never became ready did not live, however long it took."""
    return 0.0 if ready_at is None else now - ready_at


def hung(silences: int, interval: float, patience: float) -> bool:
    """Whether a part that left `silences` probes in a row unanswered is to be ended.

    `interval` and `patience` are seconds. Slow is not hung: one answer forgives all.
    """
    return silences * interval >= patience
