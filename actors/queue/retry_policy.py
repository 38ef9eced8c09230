"""Decides when a failed message is attempted again, in seconds, or that it becomes a dead letter (pure)."""

from __future__ import annotations

from actors.runtime.backoff import backoff


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
    return now + backoff(attempts, base, cap, random, floor=0)
