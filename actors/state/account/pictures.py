"""Reads and notes the picture that a person or group was last seen with, in the documents that lists of chats and people show."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.state.account.app_state import document_id
from actors.state.documents import CHATS, CONTACTS, Write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document, Documents

    Listed = Mapping[str, Document]

_LISTS: Final = (CHATS, CONTACTS)


async def listed(documents: Documents, connection: str, chat: str) -> Listed:
    """The documents of a chat and its person that a list shows, by collection. Raises `StoreAway`."""
    identity = document_id(connection, chat)
    found = await asyncio.gather(*(documents.get(each, identity) for each in _LISTS))
    return {
        each: there
        for each, there in zip(_LISTS, found, strict=True)
        if there is not None and _is_listed(there)
    }


def last(there: Listed) -> str | None:
    """The SHA-256 of the picture that was noted last; None where none was."""
    return next((found for each in there.values() if (found := each.get("picture"))), None)


async def note(documents: Documents, there: Listed, sha256: str | None) -> None:
    """Note a picture, None for none, in those of the documents that show another one. Raises `StoreAway`."""

    def change(found: Document | None) -> Document | None:
        return None if found is None or not _is_listed(found) else {**found, "picture": sha256}

    await documents.batch(
        [
            Write("change", each, found["id"], change=change)
            for each, found in there.items()
            if found.get("picture") != sha256
        ]
    )


def _is_listed(document: Document) -> bool:
    return "active_at" in document or "sort_name" in document
