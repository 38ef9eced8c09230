"""The picture of a chat or person is in the documents that lists show, and written where it is another one."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from actors.connection.abilities.account_settings import PersonNames
from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import app_state, chat_activity, pictures
from actors.state.documents import CHATS, CONTACTS, Order, Where
from actors.state.events.log import EventLog
from tests.unit.actors.state.account.test_chat_activity import (
    ANA,
    LID,
    arrived,
    changed,
    listed,
    store,
)
from tests.unit.actors.state.events.derived_events import events_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from actors.state.documents import Documents, Write


async def picture(documents: Documents, chat: str, sha256: str | None) -> None:
    """Note a picture, as the API does."""
    await pictures.note(documents, await pictures.listed(documents, "shop", chat), sha256)


async def test_a_picture_is_noted_where_there_is_a_chat_or_a_contact(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        await picture(documents, ANA, "1" * 64)
        assert await documents.get(CHATS, app_state.document_id("shop", ANA)) is None
        named = AppStateChange.contact(ANA, full_name="Ana")
        await documents.batch([changed(named, 1)])
        await documents.batch(chat_activity.noting("shop", [arrived(1)]))
        for sha256 in ("1" * 64, "2" * 64):
            await picture(documents, ANA, sha256)
            # Neither a message nor a setting takes it away.
            await documents.batch(chat_activity.noting("shop", [arrived(2)]))
            await documents.batch([changed(named, 2)])
            for collection in (CHATS, CONTACTS):
                found = await documents.get(collection, app_state.document_id("shop", ANA))
                assert found is not None
                assert found["picture"] == sha256, collection
        await picture(documents, ANA, None)
        assert (await listed(documents))[0]["picture"] is None


async def test_a_picture_that_each_list_shows_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store(tmp_path) as documents:
        written: list[list[str]] = []
        stored = documents.batch

        async def batch(writes: Sequence[Write]) -> None:
            written.append([each.collection for each in writes])
            await stored(writes)

        async def writes_of(sha256: str | None) -> list[str]:
            written.clear()
            await picture(documents, ANA, sha256)
            return [one for each in written for one in each]

        await documents.batch([changed(AppStateChange.pin(ANA, pinned=True), 1)])
        monkeypatch.setattr(documents, "batch", batch)
        assert await writes_of("1" * 64) == [], "no list shows the person"
        await documents.batch([changed(AppStateChange.contact(ANA, full_name="Ana"), 1)])
        assert await writes_of("1" * 64) == [CONTACTS]
        assert await writes_of("1" * 64) == []
        assert pictures.last(await pictures.listed(documents, "shop", ANA)) == "1" * 64
        await documents.batch(chat_activity.noting("shop", [arrived(1)]))
        assert await writes_of("1" * 64) == [CHATS]
        assert await writes_of("1" * 64) == []
        assert await writes_of(None) == [CHATS, CONTACTS]
        assert await writes_of(None) == []


async def test_a_picture_is_moved_with_its_chat_and_forgotten_with_it(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        await documents.batch(chat_activity.noting("shop", [arrived(1, LID)]))
        await picture(documents, LID, "1" * 64)
        (there,) = await listed(documents)
        await documents.batch(chat_activity.moving("shop", there, ANA))
        (moved,) = await listed(documents)
        assert (moved["chat"], moved["picture"]) == (ANA, "1" * 64)
        left = await documents.get(CHATS, there["id"])
        assert left is None or "picture" not in left
        await documents.batch([chat_activity.forgetting(moved, 2.0)])
        left = await documents.get(CHATS, moved["id"])
        assert left is None or "picture" not in left


async def test_another_picture_of_a_person_ends_the_noted_one_and_has_an_event(
    tmp_path: Path,
) -> None:
    """Under each address that the person had; also of a person who is neither a contact nor in a chat."""

    async def happen(key: int, id_: str, address: str = ANA) -> list[str]:
        named = PersonNames(sender_name="Ana", sender_lid=LID)
        change = AppStateChange.picture(address, id_, named, at=float(key))
        more = {"key": key, "epoch": 1, "collection": "pictures", "news": True, "noted_as": address}
        item = {**asdict(change), **more}
        writes = [app_state.changing("shop", item), *pictures.forgetting("shop", item)]
        return await events_of(documents, writes)

    async def noted(address: str = ANA) -> list[str | None]:
        there = await pictures.listed(documents, "shop", address)
        return [each.get("picture") for each in there.values()]

    async with store(tmp_path) as documents:
        await EventLog(documents).want(time.time() + 1000)
        assert await happen(1, "7") == ["contact.picture"]
        assert await noted() == []
        where, order = [Where("connection", "==", "shop")], [Order("sort_name")]
        assert (await documents.query(CONTACTS, where=where, order=order)).items == []
        await documents.batch([changed(AppStateChange.contact(ANA, full_name="Ana"), 2)])
        await documents.batch(chat_activity.noting("shop", [arrived(1)]))
        await picture(documents, ANA, "1" * 64)
        assert await noted() == ["1" * 64] * 2
        assert await happen(3, "7") == [], "it has it already"
        assert await happen(4, "8") == ["contact.picture"]
        assert await noted() == [None] * 2
        assert await happen(5, "") == ["contact.picture"]
        assert await happen(4, "8") == [], "an older one"
        assert len(await listed(documents)) == 1
        # A contact that is gone from the address book has no name, and is listed no more.
        gone = changed(AppStateChange.contact(ANA), 6)
        assert await events_of(documents, [gone]) == ["contact.updated"]
        assert (await documents.query(CONTACTS, where=where, order=order)).items == []
        event = (await EventLog(documents).after(0)).events[0].event
    assert (event.connection, event.at, event.data["address"]) == ("shop", 1.0, ANA)
    assert event.data["picture"] == {"id": "7", "sender_name": "Ana", "sender_lid": LID}


async def test_the_picture_of_a_lid_is_the_numbers_once_that_is_known(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        change = AppStateChange.picture(LID, "7", {"sender_name": None, "sender_lid": LID}, at=1.0)
        await documents.batch([changed(change, 1)])
        former = await documents.get(CONTACTS, app_state.document_id("shop", LID))
        assert former is not None
        await documents.batch(app_state.moving(CONTACTS, "shop", former, ANA))
        found = await documents.get(CONTACTS, app_state.document_id("shop", ANA))
        left = await documents.get(CONTACTS, app_state.document_id("shop", LID))
    assert app_state.shown(found)["picture"]["value"]["id"] == "7"
    assert app_state.shown(left) == {}
