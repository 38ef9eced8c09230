"""Judges by the states of its parts whether an instance starts, serves, or fails to start (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.instance.instance_state import TREE_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.cli.instance.instance_state import InstanceState
    from supervision.keeper.status_file import PartState

START_TRIES = 3
"""So often in a row may a part fall while it starts, before `up` says that it does not."""
STARTUP_TIMEOUT = 420.0  # seconds for everything
ATTACHED_LOOK = 30.0
"""Seconds that a keeper may take to find a part ready that ran before it."""
SERVING = frozenset({"root", "state", "connection"})
"""The roles of a tree that has begun to serve."""


def begun(tree: set[str]) -> bool:
    """Whether these roles are all of a tree, or one that serves already.

    Processes that the root makes behind the connections are not waited for.
    """
    return tree >= set(TREE_ROLES) or tree >= SERVING


def first_starts(notes: Iterable[PartState], now: float) -> set[str]:
    """The roles of parts that this keeper has not seen ready yet, and for which `up` would still wait.

    None that fell. One that ran before its keeper is for `ATTACHED_LOOK` alone.
    """
    return {
        note.role
        for note in notes
        if note.state in {"waiting", "starting"}
        and not note.falls
        and now - note.since < (ATTACHED_LOOK if note.attached else STARTUP_TIMEOUT)
    }


def starting(seen: InstanceState, now: float) -> bool:
    """Whether an instance is not ready because it starts: each part is ready or in its first start."""
    pending = {note.role for note in seen.notes.values() if note.state != "ready"}
    if pending:
        return pending <= first_starts(seen.notes.values(), now)
    root = seen.notes.get("root")
    return (
        root is not None
        and not root.falls
        and now - root.since < STARTUP_TIMEOUT
        and not begun({entry.role for entry in seen.entries})
    )


def hopeless(notes: Iterable[PartState]) -> list[PartState]:
    """The parts that fell too often in a row to be waited for."""
    return [note for note in notes if note.streak >= START_TRIES and note.state != "ready"]
