"""The next step for one connection, from its desired and its observed state.

Pure: a table. Each look gives one step; after the step the connection is looked at again, until
there is nothing to do. `now` is seconds since the epoch, as a lease's times are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervision.policy import QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.health.breakers import State
    from actors.redis.leases import Lease
    from actors.state.connections import Connection

HALF_OPEN = 300.0
"""Seconds after which a connection that was given up in a crash loop is tried once more."""

OUTDATED = "outdated"
"""The cause of a connection whose announced version WhatsApp refuses."""

CRASH_LOOP = "crash_loop"
CRASHED = "crashed"
HUNG = "hung"

UNREADABLE = frozenset(
    {
        "engine_not_installed",
        "engine_unfit",
        "session_blocked",
        "session_too_new",
        "unknown_engine",
    }
)
"""The causes of connections of which not even the session can be opened, until a person helps."""

FOR_GOOD = frozenset(
    {
        "EngineNotInstalled",
        "EngineUnfit",
        "SessionBlocked",
        "SessionDamaged",
        "SessionTooNew",
        "Tampered",
        "UnknownEngine",
        "WrongKey",
    }
)
"""Refusals that a further try would only meet again; all others may pass (a full disk, say)."""


NO_EPOCH = frozenset({"BucketAway", "RedisAway"})
"""What serving waits for; the actor is as it was."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The counters that were last acted upon; a higher desired one asks for action."""

    generation: int = 0
    recover: int = 0


@dataclass(frozen=True, slots=True)
class Fall:
    """The ending of the last actor, unless it was asked for; `exhausted` when it fell too often.

    `final`: it gave up by itself, and a further one would only meet the same.
    """

    cause: str
    exhausted: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is as it should be, or nothing may be done."""


@dataclass(frozen=True, slots=True)
class Note:
    """The wish is met already: records that it was answered."""


@dataclass(frozen=True, slots=True)
class Start:
    """Give it an actor. `forgive`: a person asked, so its budget is whole again and it is now.

    `forget`: not to log in, but to forget the device, and to end. `trial`: once, after it was given
    up; when it falls again it is given up again.
    """

    reason: str
    forgive: bool = False
    forget: bool = False
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask its actor to finish and let go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End its actor's process: it has no business any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Logout:
    """Ask its actor to unlink the device."""


@dataclass(frozen=True, slots=True)
class Settle:
    """It has no actor and needs none: write the state."""

    state: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """It was deleted and nothing holds it: remove what is left."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Give its actor the settings of the connection, which changed."""


Step = Nothing | Note | Start | Stop | Kill | Logout | Settle | Forget | Configure

NOTHING = Nothing()


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
    """The next step. `serving` is the epoch for which an actor serves it, None without one.

    `settings_at` is when the settings were last written; `configured` says whether its actor has the
    connection's own.
    """
    asked = wanted.generation > applied.generation or wanted.recover > applied.recover
    if serving is not None:
        step = _with_actor(wanted, applied, lease, serving)
        return Configure() if step == NOTHING and not configured else step
    if wanted.deleted:
        return Start("logout") if _unlinks(lease, fall) else Forget()
    if wanted.desired == "logged_out":
        return _logged_out(lease, fall)
    state = None if lease is None else lease.state
    if wanted.desired == "stopped":
        return NOTHING if state in {None, "stopped", "logged_out"} else Settle("stopped")
    if asked:
        return Start("asked", forgive=True)
    return _to_run(lease, fall, auto_recovery=auto_recovery, now=now, settings_at=settings_at)


def breaker(
    state: str, cause: str | None, since: float, falls: Sequence[float], now: float
) -> State:
    """The circuit breaker of a connection, as the root treats it.

    ``open``: it fell too often and is left alone. ``half_open``: it is tried once, and the next
    short life opens it again; a connection on trial has as many falls as it may, all at the moment
    at which the trial began (`Intensity.on_trial`).
    """
    if state == "failed" and cause == CRASH_LOOP:
        return "open" if 0 <= now - since < HALF_OPEN else "half_open"
    on_trial = len(falls) > 1 and len(set(falls)) == 1 and now - falls[0] < QUIET
    return "half_open" if on_trial else "closed"


def _with_actor(wanted: Connection, applied: Applied, lease: Lease | None, serving: int) -> Step:
    if lease is not None and lease.epoch > serving:
        return Kill("stale")  # a newer owner has it; this one may not know yet (G6)
    if wanted.deleted or wanted.desired == "logged_out":
        return Logout()
    if wanted.desired == "stopped":
        return Stop("asked")
    if wanted.generation > applied.generation:
        return Stop("restart")
    if wanted.recover > applied.recover:
        healthy = lease is not None and lease.state in {"open", "pairing"}
        return Note() if healthy else Stop("recover")
    return NOTHING


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
        # What lies in the future was written before the clock was set back.
        rests = 0 <= now - lease.since < HALF_OPEN
        if auto_recovery and cause == CRASH_LOOP and not rests:
            return Start("half_open", trial=True)
        # The announced version is a setting: with other settings it is worth another try.
        if auto_recovery and cause == OUTDATED and settings_at > lease.since:
            return Start("settings", forgive=True)
        return NOTHING
    if state == "logged_out":
        # WhatsApp's word stands until a person says otherwise; a person's own ends with the wish.
        return Start("asked") if cause == "asked" else NOTHING
    if fall is None:
        return Start("desired")
    if fall.final or not auto_recovery:
        return Settle("failed", fall.cause)
    if fall.exhausted:
        return Settle("failed", CRASH_LOOP)
    return Start(fall.cause)


def _logged_out(lease: Lease | None, fall: Fall | None) -> Step:
    if lease is None or lease.state == "logged_out":
        return NOTHING
    if _unlinks(lease, fall):
        return Start("logout")
    cause = fall.cause if fall is not None and fall.final else lease.cause
    if _linked(lease, fall) and cause not in UNREADABLE:
        # WhatsApp takes no login of it, so nothing can be unlinked there; only here.
        return Start("logout", forget=True)
    return Settle("logged_out", "asked")


def _linked(lease: Lease | None, fall: Fall | None) -> bool:
    """Whether there is a device to forget, and trying may help."""
    if lease is None or lease.account is None or lease.state == "logged_out":
        return False
    return fall is None or not fall.exhausted


def _unlinks(lease: Lease | None, fall: Fall | None) -> bool:
    """Whether there is a device to unlink at WhatsApp, which may take a login of it."""
    if not _linked(lease, fall) or (fall is not None and fall.final):
        return False
    return lease is not None and lease.state != "failed"
