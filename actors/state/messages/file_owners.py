"""Builds the state-store write that lets a connection send a file by SHA-256; looks up whether an API key may send it.

A key for some connections sends a file by its SHA-256 if one of these has it; to know the SHA-256 is
not enough. A key for all connections needs no entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from actors.state.documents import FILE_OWNERS, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.state.documents import Document, Documents


class FileOwnerDocument(TypedDict):
    """Permission to send a file by its SHA-256."""

    at: float
    """When it was uploaded, arrived, or was sent last, to within a day."""
    mime: str | None
    name: str | None
    """Its type and name by its own people."""


def owning(
    sha256: str, connection: str, now: float, *, mime: str | None = None, name: str | None = None
) -> Write:
    """The write after which the connection has the file, under what its own people call it."""
    document: FileOwnerDocument = {"at": now, "mime": mime, "name": name}
    return Write("set", FILE_OWNERS, f"{sha256}.{connection}", document)


async def owned(documents: Documents, sha256: str, connections: Iterable[str]) -> Document | None:
    """The entry of the first of the connections that has the file. Raises `StoreAway`."""
    for connection in connections:
        found = await documents.get(FILE_OWNERS, f"{sha256}.{connection}")
        if found is not None:
            return found
    return None
