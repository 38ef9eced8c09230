"""Reads the names of chats from SQLite or Firestore, for messages that are queued or stored without one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from actors.state.account.app_state import document_id
from actors.state.account.app_state import name_of as contact_name
from actors.state.documents import CHATS, CONTACTS, StoreAway

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.backends import Backends

_Chat = tuple[str, str]


async def chat_names(backends: Backends, chats: Iterable[_Chat]) -> Mapping[_Chat, str | None]:
    """The name of each chat, by connection and address, as lists of chats have it; none while the store is away.

    It is in the address book, or as a message last brought it; None where neither is. A chat costs two documents at most.
    """
    wanted = list(dict.fromkeys(chats))
    with suppress(StoreAway):
        found = await asyncio.gather(*(_name(backends, *each) for each in wanted))
        return dict(zip(wanted, found, strict=True))
    return {}


async def _name(backends: Backends, connection: str, chat: str) -> str | None:
    id_ = document_id(connection, chat)
    name = contact_name(await backends.documents.get(CONTACTS, id_))
    if name is not None:
        return name
    there = await backends.documents.get(CHATS, id_)
    return None if there is None else there.get("name")
