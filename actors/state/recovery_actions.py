"""Builds ``recovery_actions`` documents of restarts, recoveries and give-ups, which the root actor writes (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from actors.state.documents import RECOVERY_ACTIONS, Write

if TYPE_CHECKING:
    from typing import Literal

    Action = Literal[
        "restarted",  # a new process (or the standby) serves what the dead one did
        "recovered",  # out of failed, by the breaker or because somebody asked
        "gave_up",  # restart intensity exceeded, or AUTO_RECOVERY is off
    ]


class RecoveryDocument(TypedDict):
    """A fall and its recovery, with the document's id."""

    id: str
    role: str
    """The process that fell: `connection`, `queue`, `state`, `health`, `root`, or a part that the keeper starts (`gateway`, `valkey`, `ray`, `simulator`)."""
    connection: str | None
    """The connection that it served."""
    cause: str
    """`crashed`, `hung`, `zombie`, …"""
    action: str
    """`restarted`; `recovered`, out of `failed`; `gave_up`, it fell too often or AUTO_RECOVERY is off."""
    before: str | None
    after: str | None
    """The last state of the connection, and the next one; of another part why it fell, and `running`."""
    epoch_before: int | None
    epoch_after: int | None
    """The epoch of the owner of the connection."""
    seconds: float
    """Time from the moment the fall was noticed until this was done."""
    at: float
    """When it was done."""


def recovery_action(
    *,
    role: str,
    action: Action,
    cause: str,
    at: float,
    seconds: float,
    connection: str | None = None,
    before: str | None = None,
    after: str | None = None,
    epoch_before: int | None = None,
    epoch_after: int | None = None,
) -> RecoveryDocument:
    """One action on one process. Its id is derived, so that writing it twice leaves one document."""
    if seconds < 0:
        raise ValueError("an action takes no negative time")
    subject = role if connection is None else f"{role}.{connection}"
    return {
        "id": f"{subject}.{round(at * 1000)}.{action}",
        "connection": connection,
        "role": role,
        "cause": cause,
        "action": action,
        "before": before,
        "after": after,
        "epoch_before": epoch_before,
        "epoch_after": epoch_after,
        "seconds": round(seconds, 3),
        "at": at,
    }


def noting(action: RecoveryDocument) -> Write:
    """The write that stores it; may be repeated."""
    return Write("create", RECOVERY_ACTIONS, action["id"], action)
