"""Reads and notes the picture that a person or group was last seen with, for the lists of chats and people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.state.account.app_state import document_id
from actors.state.documents import CHATS, CONTACTS, Write
from actors.state.fields import PERSON_PICTURE

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


def forgetting(connection: str, item: Mapping[str, Any]) -> list[Write]:
    """The write that ends a noted picture of the chat with a person who has another one; none for any other change.

    `item` is as in `app_state.changing`, which ends that of the contact.
    """
    if (item["subject"], item["setting"]) != ("contact", PERSON_PICTURE):
        return []

    def change(found: Document | None) -> Document | None:
        if found is None or "picture" not in found:
            return None
        return {name: value for name, value in found.items() if name != "picture"}

    return [Write("change", CHATS, document_id(connection, item["id"]), change=change)]


def _is_listed(document: Document) -> bool:
    return "active_at" in document or "sort_name" in document
