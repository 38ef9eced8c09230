"""Fences writes to SQLite or Firestore by epoch: a connection's older owner cannot write after a newer one.

The epoch that wrote last is in the connection's document, and is read and raised in the same batch
as what it fences. So neither another StateManager nor a restart lets a stale owner in (G6).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from actors.state.connections import is_of, updating

if TYPE_CHECKING:
    from actors.state.documents import Document, Write


class Superseded(ValueError):
    """A newer owner of the connection wrote or reported: nothing of the call was written."""

    code = "superseded"


class Gone(Superseded):
    """The connection is deleted: nothing of the call was written, and nobody is to repeat it."""


def fence(connection: str, epoch: int) -> Write:
    """The write that goes before the others of a call, and fails them all for a stale `epoch`.

    A connection that is gone has no owner left to protect from this one.
    """

    def change(document: Document) -> Document | None:
        if epoch < newest_epoch(document):
            raise Superseded
        return {**document, "fence": epoch} if epoch > int(document.get("fence", 0)) else None

    return updating(connection, change)


def newest_epoch(document: Document) -> int:
    """The newest epoch that wrote or reported, by the connection's document; 0 where none did."""
    observed = document.get("observed") or {}
    return max(int(document.get("fence", 0)), int(observed.get("epoch", 0)))


def fence_of_living(connection: str, epoch: int) -> Write:
    """As `fence`, but that it fails them with `Gone` where the connection is deleted.

    For what is removed with the connection: nobody would remove it once more.
    """
    fencing = fence(connection, epoch)

    def change(document: Document | None) -> Document | None:
        if document is None or document["deleted"] or not is_of(document, connection):
            raise Gone
        assert fencing.change is not None
        changed = fencing.change(document)
        return None if changed is None else dict(changed)

    return replace(fencing, change=change)
