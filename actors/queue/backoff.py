"""When a failed message is tried again: pure decisions, times in seconds."""

from __future__ import annotations

MAX_EXPONENT = 62


def delay(attempt: int, base: float, cap: float, random: float) -> float:
    """Seconds until the next attempt after the failed `attempt` (1 is the first).

    Exponential with full jitter: anywhere between 0 and ``min(cap, base * 2 ** (attempt - 1))``,
    at the fraction `random` (0 ≤ random < 1), so that what failed together does not return
    together.
    """
    return random * min(cap, base * 2.0 ** min(max(attempt, 1) - 1, MAX_EXPONENT))


def decide(
    attempts: int,
    max_attempts: int,
    *,
    permanent: bool,
    now: float,
    base: float,
    cap: float,
    random: float,
) -> float | None:
    """The time of the next attempt, or None when the message is dead.

    Dead are a permanent refusal at once and the failure of attempt `max_attempts`. `attempts`
    counts the failed one in (`Job.attempts`).
    """
    if permanent or attempts >= max_attempts:
        return None
    return now + delay(attempts, base, cap, random)
