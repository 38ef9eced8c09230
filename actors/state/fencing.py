"""Which owner of a connection may write what arrived: the newest that ever wrote, or a newer one.

The epoch that wrote last is in the connection's document, and is read and raised in the same batch
as what it fences. So neither another StateManager nor a restart lets a stale owner in (G6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.connections import updating

if TYPE_CHECKING:
    from actors.state.documents import Document, Write


class Superseded(ValueError):  # noqa: N818 - reads as what it is
    """A newer owner of the connection wrote or reported: nothing of the call was written."""

    code = "superseded"


def fence(connection: str, epoch: int) -> Write:
    """The write that goes before the others of a call, and fails them all for a stale `epoch`.

    A connection that is gone has no owner left to protect from this one.
    """

    def change(document: Document) -> Document | None:
        if epoch < newest(document):
            raise Superseded
        return {**document, "fence": epoch} if epoch > int(document.get("fence", 0)) else None

    return updating(connection, change)


def newest(document: Document) -> int:
    """The newest epoch that wrote or reported, by the connection's document; 0 where none did."""
    observed = document.get("observed") or {}
    return max(int(document.get("fence", 0)), int(observed.get("epoch", 0)))
