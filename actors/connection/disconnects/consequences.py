"""Decides by a closed socket's cause: reconnect, wait, pair again or stop, and the state that the connection is in.

Pure: values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from actors.connection.disconnects.causes import TOO_MANY_LOGINS, Kind
from actors.redis.leases.leases import Obstacle

if TYPE_CHECKING:
    from actors.connection.disconnects.causes import Cause


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect again; at once, or after the owner's backoff, which is the longest from the first time on where it goes `slowly`."""

    at_once: bool
    slowly: bool = False


@dataclass(frozen=True, slots=True)
class AwaitRoom:
    """Connect again, after the owner's backoff, once the disk has room: a login before it would end as this one did."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay away until this time (seconds since the epoch), raise an alert, then connect again."""

    until: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not connect again by yourself; `state` is what the connection is from now on."""

    state: Literal["stopped", "failed"]
    alert: bool


@dataclass(frozen=True, slots=True)
class PairAgain:
    """The device is no longer linked: keep what is stored, raise an alert, ask for a new QR."""


@dataclass(frozen=True, slots=True)
class FreshLease:
    """Another owner took over: never connect again without a lease newer than the one held (G6)."""


Consequence = Reconnect | AwaitRoom | Wait | Stop | PairAgain | FreshLease

_CONSEQUENCES: dict[Kind, Consequence] = {
    Kind.NETWORK: Reconnect(at_once=False),
    Kind.KEEPALIVE: Reconnect(at_once=False),
    Kind.PROXY_UNREACHABLE: Reconnect(at_once=False),
    Kind.PROXY_AUTHENTICATION: Reconnect(at_once=False),
    Kind.PROXY_REFUSED: Reconnect(at_once=False),
    Kind.PROXY_PRIVATE: Reconnect(at_once=False),
    Kind.DISK_FULL: AwaitRoom(),
    Kind.RESTART_REQUIRED: Reconnect(at_once=True),
    Kind.REPLACED: FreshLease(),
    Kind.LOGGED_OUT: PairAgain(),
    Kind.LOCKED: Stop("failed", alert=True),
    Kind.OUTDATED: Stop("failed", alert=True),
    Kind.BAD_SESSION: Stop("failed", alert=True),
    Kind.CLOSED: Stop("stopped", alert=False),
}


def consequence(cause: Cause) -> Consequence:
    """The owner's reaction to `cause`."""
    if cause.kind is Kind.TEMPORARILY_BANNED:
        return Wait(cause.until or 0.0)
    if cause == TOO_MANY_LOGINS:
        return Reconnect(at_once=False, slowly=True)
    return _CONSEQUENCES[cause.kind]


LEASE_GONE = frozenset({"lost", "lease_missing"})
RECONNECT_CAUSES = frozenset({"broke", "zombie"})
"""Another actor may do better: the lease is given back in the state ``reconnecting``."""


@dataclass(frozen=True, slots=True)
class ServingEnd:
    """The end of serving.

    `reason` is ``stopped``, ``failed`` or ``logged_out`` (the lease was given back in that state),
    ``lost`` or ``lease_missing`` (the lease was taken away), ``broke`` (a loop ended that never
    should) or ``zombie`` (the socket was open and carried nothing).
    """

    reason: str
    cause: str | None = None


def ending_of(cause: Cause, follows: Consequence) -> ServingEnd | None:
    """The end of serving by this cause of a closed socket; None where it goes on."""
    if isinstance(follows, Stop):
        return ServingEnd(follows.state, None if cause.kind is Kind.CLOSED else str(cause.kind))
    if isinstance(follows, FreshLease):
        # A newer owner of ours would have the lease, and what this one says is refused then. Else
        # the account is used with this session elsewhere, and who has it is a person's to say.
        return ServingEnd("failed", str(cause.kind))
    return None


class Disconnected(NamedTuple):
    """A connection between two sockets: its state and cause, and what stands in the way of a login."""

    state: str
    cause: str
    obstacle: Obstacle | None


def disconnected(
    cause: Cause, follows: Consequence, before: Obstacle | None, *, linked: bool, pairing: bool
) -> Disconnected:
    """The connection after this cause; `before` stood in its way, `pairing` says that it showed a QR."""
    why = str(cause.kind)
    if isinstance(follows, Wait):
        return Disconnected("reconnecting", why, Obstacle(why, follows.until))
    if isinstance(follows, PairAgain):
        first = Obstacle(why) if before is None or before.until is not None else before
        return Disconnected("logged_out", first.cause, first)
    if pairing and not linked:
        return Disconnected("pairing", why if before is None else before.cause, before)
    if not linked or cause.kind is Kind.RESTART_REQUIRED:
        return Disconnected("connecting", why, before)
    return Disconnected("reconnecting", why, before)
