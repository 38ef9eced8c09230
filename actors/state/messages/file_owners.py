"""Owners of files: API keys that uploaded a file, and connections at which it arrived.

An owner may send the file by its SHA-256; to know the SHA-256 is not enough. A key for all connections
needs no entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.documents import FILE_OWNERS, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.state.documents import Documents


def owning(sha256: str, owner: str, now: float) -> Write:
    """The write after which `owner`, the id of an API key or of a connection, has the file."""
    return Write("set", FILE_OWNERS, f"{sha256}.{owner}", {"at": now})


async def has_file(documents: Documents, sha256: str, owners: Iterable[str]) -> bool:
    """Whether one of the owners has the file. Raises `StoreAway`."""
    for owner in owners:
        if await documents.get(FILE_OWNERS, f"{sha256}.{owner}") is not None:
            return True
    return False
