"""Two chats that turn out to be one: the StateManager moves their messages (G5)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.state.actor import MOVED_MESSAGES, StateManager
from actors.state.connections import Connections
from actors.state.events.log import EventLog
from tests.integration.state.received import CHAT, LID, by_lid, item, stored

if TYPE_CHECKING:
    from actors.state.documents import Documents


async def merge(manager: StateManager, *connections: str) -> list[int]:
    """Merges the chats; returns the number of calls for each connection."""
    calls = []
    for connection in connections:
        made = 1
        while await manager.merge_chat(connection, 1, LID, CHAT) == "more":
            made += 1
        calls.append(made)
    return calls


async def test_two_chats_that_are_one_are_merged(
    manager: StateManager, documents: Documents
) -> None:
    placeholder = {"type": "undecryptable", "text": None}
    own = {"sender": "15550100001@s.whatsapp.net", "from_me": True}
    await manager.store_messages(
        "shop",
        1,
        [
            by_lid(0),
            by_lid(1, **placeholder),
            by_lid(2),
            by_lid(3),
            by_lid(4, **own),
            item(2, **placeholder),
            item(3, text="token 3, stored first"),
            item(5),
        ],
    )
    await manager.store_messages("desk", 1, [by_lid(0)])
    assert await merge(manager, "shop") == [1]
    found = await stored(documents)
    assert [one["text"] for one in found] == [
        "token 0",
        None,
        "token 2",
        "token 3, stored first",
        "token 4",
        "token 5",
    ]
    assert {one["chat"] for one in found} == {CHAT}
    assert [one["sender"] == CHAT for one in found] == [True, True, True, True, False, True]
    # A message that comes again, or is resent, by the number now, is the one that moved.
    await manager.store_messages("shop", 1, [item(0), item(1), item(4, **own)])
    found = await stored(documents)
    assert [one["text"] for one in found][1] == "token 1"
    assert len(found) == 6
    assert await merge(manager, "shop") == [1]
    assert await stored(documents) == found
    assert [one["chat"] for one in await stored(documents, "desk")] == [LID]


async def test_a_merge_makes_one_event_before_what_comes_by_the_number(
    manager: StateManager, documents: Documents
) -> None:
    """Also where it takes several calls and is repeated; webhooks keep the order of the chat by that."""
    await Connections(documents).create("shop", id="shop")
    await EventLog(documents).want(time.time() + 3600)
    await manager.store_messages("shop", 1, [by_lid(n) for n in range(MOVED_MESSAGES + 1)])
    assert await merge(manager, "shop", "shop") == [2, 1]
    await manager.store_messages("shop", 1, [item(MOVED_MESSAGES + 2)])
    assert await manager.merge_chat("shop", 2, LID, CHAT) == "done"
    told = [each.event for each in (await EventLog(documents).after(0, packs=1000)).events]
    kinds = ["message.received"] * (MOVED_MESSAGES + 1) + ["chat.renamed", "message.received"]
    assert [event.type for event in told] == kinds
    renamed = told[-2].data
    assert (renamed["former"], renamed["chat"], renamed["connection"]) == (LID, CHAT, "shop")


async def test_a_long_chat_is_merged_in_shares(manager: StateManager, documents: Documents) -> None:
    count = 2 * MOVED_MESSAGES + 1
    await manager.store_messages("shop", 1, [by_lid(n) for n in range(count)])
    assert await merge(manager, "shop", "shop") == [3, 1]
    found = await stored(documents)
    assert [one["text"] for one in found] == [f"token {n}" for n in range(count)]
    assert {one["chat"] for one in found} == {CHAT}


async def test_what_was_given_before_the_merge_is_merged(
    manager: StateManager, documents: Documents
) -> None:
    """By a caller that is dead or gave up, and is not in the store yet."""
    await manager.start()
    for n in range(5):
        given = asyncio.create_task(manager.store_messages("shop", 1, [by_lid(n)]))
        await asyncio.sleep(0)
        assert await merge(manager, "shop") == [1]
        await given
        assert {one["chat"] for one in await stored(documents)} == {CHAT}
