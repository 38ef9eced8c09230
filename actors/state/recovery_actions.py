"""Builds ``recovery_actions`` documents of restarts, recoveries and give-ups, which the root actor writes (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.documents import RECOVERY_ACTIONS, Write

if TYPE_CHECKING:
    from typing import Literal

    from actors.state.documents import Document

    Action = Literal[
        "restarted",  # a new process (or the standby) serves what the dead one did
        "recovered",  # out of failed, by the breaker or because somebody asked
        "gave_up",  # restart intensity exceeded, or AUTO_RECOVERY is off
    ]


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
) -> Document:
    """One action on one process, with its id.

    `before` and `after` name states (of the connection, or ``running`` and ``dead``), `at` is
    when it was done, `seconds` how long it took since the fault was noticed. The id is derived,
    so that writing the same action twice leaves one document.
    """
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


def noting(action: Document) -> Write:
    """The write that stores it; may be repeated."""
    return Write("create", RECOVERY_ACTIONS, action["id"], action)
