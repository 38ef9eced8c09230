"""Names of chats for messages without one: in the address book, as a message brought it, or none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import chat_activity
from actors.state.account.chat_activity import Activity
from actors.state.documents import StoreAway
from gateway.api.account.chat_names import chat_names
from tests.unit.actors.state.account.test_chat_activity import ANA, BEN, GROUP, changed, store

if TYPE_CHECKING:
    from pathlib import Path


def backends(documents: Any) -> Any:
    return SimpleNamespace(documents=documents)


async def test_a_chat_has_the_name_that_lists_show(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        known = [Activity(ANA, 1.0, "shop.in.1", "arrived", "Ana")]
        known.append(Activity(GROUP, 2.0, "shop.in.2", "arrived", "Chess club"))
        await documents.batch(chat_activity.noting("shop", known))
        await documents.batch([changed(AppStateChange.contact(ANA, full_name="Ana Pereira"), 1)])
        chats = [("shop", ANA), ("shop", GROUP), ("shop", BEN), ("desk", ANA), ("shop", ANA)]
        found = await chat_names(backends(documents), chats)
    assert found == {
        ("shop", ANA): "Ana Pereira",
        ("shop", GROUP): "Chess club",
        ("shop", BEN): None,
        ("desk", ANA): None,
    }


async def test_there_is_none_while_the_store_is_away(tmp_path: Path) -> None:
    async def away(*_: object) -> None:
        raise StoreAway

    found = await chat_names(backends(SimpleNamespace(get=away)), [("shop", ANA)])
    assert found == {}
