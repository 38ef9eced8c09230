"""The consequence of an attempt to deliver, for its event and those behind it (pure).

An event is tried until it was delivered or, an attempt having failed, is a day old: then it is dead
and the next one goes. A day's silence of an endpoint thus costs the events older than that day, each
after an attempt of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from actors.runtime.backoff import backoff

if TYPE_CHECKING:
    from actors.state.events.outbox import Told
    from actors.state.webhooks import Progress

Verdict = Literal["delivered", "retry", "dead", "gone"]

PATIENCE = 86_400.0
"""Seconds for which an event is tried."""

FIRST, LONGEST = 1.0, 300.0
"""Seconds between two attempts; it doubles, up to that: so late an endpoint is found back."""

GONE = 410
UNREADABLE = "unreadable"
"""An event that this release cannot tell: another attempt would change nothing."""


def error_of(outcome: int | str) -> str | None:
    """The code of a failure; None for a success."""
    if isinstance(outcome, str):
        return outcome
    return None if 200 <= outcome < 300 else f"status_{outcome}"


def judged(outcome: int | str, told: Told, now: float) -> Verdict:
    """What an attempt at this event came to."""
    if error_of(outcome) is None:
        return "delivered"
    if outcome == GONE:
        return "gone"
    return "dead" if outcome == UNREADABLE or now - told.at >= PATIENCE else "retry"


def advanced(
    progress: Progress,
    verdict: Verdict,
    outcome: int | str,
    told: Told,
    *,
    now: float,
    chance: float,
) -> Progress:
    """How far it is after the attempt. `chance` is random, from 0 to 1."""
    if verdict == "delivered":
        return replace(
            progress,
            cursor=told.seq,
            attempts=0,
            error=None,
            retry_at=None,
            failing_since=None,
            delivered_at=now,
        )
    since = now if progress.failing_since is None else progress.failing_since
    failed = replace(progress, error=error_of(outcome), failing_since=since)
    if verdict == "retry":
        pause = backoff(progress.attempts + 1, FIRST, LONGEST, chance, floor=0.5)
        return replace(failed, attempts=progress.attempts + 1, retry_at=now + pause)
    return replace(failed, cursor=told.seq, attempts=0, retry_at=None)


def skipped(progress: Progress, seq: int) -> Progress:
    """Past an event that is not for it."""
    return replace(progress, cursor=seq, attempts=0)


def found_missing(progress: Progress, first: int) -> Progress:
    """The oldest event that is kept has the number `first`: what came before it is gone."""
    missing = first - 1 - progress.cursor
    if missing <= 0:
        return progress
    return replace(progress, cursor=first - 1, attempts=0, missed=progress.missed + missing)
