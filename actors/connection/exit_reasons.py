"""Why serving a connection ends, and which causes end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.causes import FreshLease, Kind, Stop

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
    """How serving ends by this cause of a closed socket; None where it goes on."""
    if isinstance(follows, Stop):
        return Ending(follows.state, None if cause.kind is Kind.CLOSED else str(cause.kind))
    if isinstance(follows, FreshLease):
        # A newer owner of ours would have the lease, and what this one says is refused then. Else
        # the account is used with this session elsewhere, and who has it is a person's to say.
        return Ending("failed", str(cause.kind))
    return None
