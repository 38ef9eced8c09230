"""Consequences of a closed socket: the end of serving, or the state of the connection until the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from actors.connection.causes import FreshLease, Kind, PairAgain, Stop, Wait
from actors.redis.leases import Obstacle

if TYPE_CHECKING:
    from actors.connection.causes import Cause, Consequence

LEASE_GONE = frozenset({"lost", "lease_missing"})
FALLS = frozenset({"broke", "zombie"})
"""Another actor may do better: the lease is given back in the state ``reconnecting``."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why serving ended.

    `reason` is ``stopped``, ``failed`` or ``logged_out`` (the lease was given back in that state),
    ``lost`` or ``lease_missing`` (the lease was taken away), ``broke`` (a loop ended that never
    should) or ``zombie`` (the socket was open and carried nothing).
    """

    reason: str
    cause: str | None = None


def ending_of(cause: Cause, follows: Consequence) -> Ending | None:
    """The end of serving by this cause of a closed socket; None where it goes on."""
    if isinstance(follows, Stop):
        return Ending(follows.state, None if cause.kind is Kind.CLOSED else str(cause.kind))
    if isinstance(follows, FreshLease):
        # A newer owner of ours would have the lease, and what this one says is refused then. Else
        # the account is used with this session elsewhere, and who has it is a person's to say.
        return Ending("failed", str(cause.kind))
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
