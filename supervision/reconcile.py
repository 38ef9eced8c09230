"""Decides a connection's next step (start, stop, kill …) and circuit breaker, by desired and observed state (pure).

Pure: a table. `connection_reconciler.py` executes a step and decides again, until the step is `Nothing`. `now`
is in seconds since the epoch, as the times of a lease are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervision.restarts.policy import BUDGET_RESET_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.health.breakers import State
    from actors.redis.leases.leases import Lease
    from actors.state.connections import Connection

HALF_OPEN = 300.0
"""Seconds after which a connection that was given up in a crash loop is started once more."""

OUTDATED = "outdated"
"""The cause of a connection whose WhatsApp version is refused."""

CRASH_LOOP = "crash_loop"
CRASHED = "crashed"
HUNG = "hung"

UNREADABLE_CAUSES = frozenset(
    {
        "engine_not_installed",
        "engine_removed",
        "session_blocked",
        "session_too_new",
    }
)
"""Causes of connections whose session cannot be opened until a person helps."""

FOR_GOOD = frozenset(
    {
        "EngineNotInstalled",
        "EngineRemoved",
        "SessionBlocked",
        "SessionDamaged",
        "SessionTooNew",
        "Tampered",
        "WrongKey",
    }
)
"""Refusals of `serve` that are permanent; all others may pass, such as a full disk."""


NO_EPOCH = frozenset({"BucketAway", "RedisAway"})
"""Refusals of `serve` for lack of a store; the actor stays a standby."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The counters of handled requests; a higher desired one is a new request."""

    generation: int = 0
    recover: int = 0


@dataclass(frozen=True, slots=True)
class Fall:
    """The fall of the last actor; None after an end on request. `exhausted`: the restart budget is.

    `final`: the actor gave up for a permanent reason.
    """

    cause: str
    exhausted: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """The states agree, or no step is allowed."""


@dataclass(frozen=True, slots=True)
class MarkApplied:
    """Records requests as handled, since the connection is in the desired state already."""


@dataclass(frozen=True, slots=True)
class StartActor:
    """Starts an actor. `forgive`: at a person's request, so at once and with the whole restart budget.

    `forget`: the actor only deletes the device and ends, without a login. `trial`: the connection was
    given up, and another fall gives it up again.
    """

    reason: str
    forgive: bool = False
    forget: bool = False
    trial: bool = False


@dataclass(frozen=True, slots=True)
class StopActor:
    """Asks the actor to finish its work and to release the connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kills the actor, which must not serve any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Logout:
    """Asks the actor to unlink the device."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Writes the state of a connection that has no actor and needs none."""

    state: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Removes the remains of a deleted connection without an owner."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Sends the changed settings of the connection to its actor."""


Step = Nothing | MarkApplied | StartActor | StopActor | Kill | Logout | Settle | Forget | Configure

NO_STEP = Nothing()


def decide(
    wanted: Connection,
    applied: Applied,
    lease: Lease | None,
    serving: int | None,
    fall: Fall | None,
    *,
    auto_recovery: bool,
    now: float,
    settings_at: float = 0.0,
    configured: bool = True,
) -> Step:
    """Returns the next step. `serving`: the epoch of the serving actor, None without one.

    `settings_at`: the time of the last write of the settings; `configured`: the actor has the current
    settings of the connection.
    """
    requested = wanted.generation > applied.generation or wanted.recover > applied.recover
    if serving is not None:
        step = _with_actor(wanted, applied, lease, serving)
        return Configure() if step == NO_STEP and not configured else step
    if wanted.deleted:
        return StartActor("logout") if _unlinks(lease, fall) else Forget()
    if wanted.desired == "logged_out":
        return _logged_out(lease, fall)
    state = None if lease is None else lease.state
    if wanted.desired == "stopped":
        return NO_STEP if state in {None, "stopped", "logged_out"} else Settle("stopped")
    if requested:
        return StartActor("asked", forgive=True)
    return _to_run(lease, fall, auto_recovery=auto_recovery, now=now, settings_at=settings_at)


def breaker(
    state: str, cause: str | None, since: float, falls: Sequence[float], now: float
) -> State:
    """Returns the circuit breaker of a connection.

    ``open``: it fell too often and is not restarted. ``half_open``: one start is on trial, and the next
    short life opens the breaker again; a connection on trial has the maximal number of falls, all at
    the begin of the trial (`Intensity.on_trial`).
    """
    if state == "failed" and cause == CRASH_LOOP:
        return "open" if 0 <= now - since < HALF_OPEN else "half_open"
    on_trial = len(falls) > 1 and len(set(falls)) == 1 and now - falls[0] < BUDGET_RESET_SECONDS
    return "half_open" if on_trial else "closed"


def _with_actor(wanted: Connection, applied: Applied, lease: Lease | None, serving: int) -> Step:
    if lease is not None and lease.epoch > serving:
        return Kill("stale")  # a newer owner exists, which this one may not have noticed (G6)
    if wanted.deleted or wanted.desired == "logged_out":
        return Logout()
    if wanted.desired == "stopped":
        return StopActor("asked")
    if wanted.generation > applied.generation:
        return StopActor("restart")
    if wanted.recover > applied.recover:
        healthy = lease is not None and lease.state in {"open", "pairing"}
        return MarkApplied() if healthy else StopActor("recover")
    return NO_STEP


def _to_run(
    lease: Lease | None,
    fall: Fall | None,
    *,
    auto_recovery: bool,
    now: float,
    settings_at: float,
) -> Step:
    state, cause = (None, None) if lease is None else (lease.state, lease.cause)
    if state == "failed":
        assert lease is not None
        # A time in the future was written before the clock was set back.
        rests = 0 <= now - lease.since < HALF_OPEN
        if auto_recovery and cause == CRASH_LOOP and not rests:
            return StartActor("half_open", trial=True)
        # The announced version is a setting: changed settings allow another try.
        if auto_recovery and cause == OUTDATED and settings_at > lease.since:
            return StartActor("settings", forgive=True)
        return NO_STEP
    if state == "logged_out":
        # A stop by WhatsApp lasts until a person requests a start; one by a person ends with the request.
        return StartActor("asked") if cause == "asked" else NO_STEP
    if fall is None:
        return StartActor("desired")
    if fall.final or not auto_recovery:
        return Settle("failed", fall.cause)
    if fall.exhausted:
        return Settle("failed", CRASH_LOOP)
    return StartActor(fall.cause)


def _logged_out(lease: Lease | None, fall: Fall | None) -> Step:
    if lease is None or lease.state == "logged_out":
        return NO_STEP
    if _unlinks(lease, fall):
        return StartActor("logout")
    cause = fall.cause if fall is not None and fall.final else lease.cause
    if _linked(lease, fall) and cause not in UNREADABLE_CAUSES:
        # WhatsApp accepts no login of the device, so it can only be unlinked locally.
        return StartActor("logout", forget=True)
    return Settle("logged_out", "asked")


def _linked(lease: Lease | None, fall: Fall | None) -> bool:
    """Returns whether there is a device to forget, and a start may succeed."""
    if lease is None or lease.account is None or lease.state == "logged_out":
        return False
    return fall is None or not fall.exhausted


def _unlinks(lease: Lease | None, fall: Fall | None) -> bool:
    """Returns whether there is a device to unlink at WhatsApp, and a login may succeed."""
    if not _linked(lease, fall) or (fall is not None and fall.final):
        return False
    return lease is not None and lease.state != "failed"
