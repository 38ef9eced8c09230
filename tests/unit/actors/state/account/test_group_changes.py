"""Changes of groups beside the settings of their chats: events of their own, and the newest subject as the chat's name."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.account_settings import GroupMembersValue, NamedPerson
from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import app_state, chat_activity
from actors.state.account.chat_activity import Activity
from actors.state.documents import CHATS, Order, Where
from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from tests.unit.actors.state.account.test_pictures import picture
from tests.unit.actors.state.events.derived_events import events_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Document, Documents, Write

GROUP = "120363000000000001@g.us"
ANA = NamedPerson(address="15550100002@s.whatsapp.net", sender_name="Ana", sender_lid=None)


@asynccontextmanager
async def store(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    documents = SqliteDocuments(tmp_path / "state.db")
    await EventLog(documents).want(time.time() + 1000)
    try:
        yield documents
    finally:
        await documents.close()


def noting(key: int, change: AppStateChange, *, epoch: int = 1) -> Write:
    noted = {"epoch": epoch, "key": key, "collection": "groups", "news": True, "noted_as": GROUP}
    return app_state.changing("shop", {**asdict(change), **noted})


def setting(name: str, value: Any, at: float = 5.0) -> AppStateChange:
    return AppStateChange.group_setting(GROUP, name, value, by=ANA, at=at)


def members(change: str, number: str, at: float = 5.0) -> AppStateChange:
    told = GroupMembersValue(id=number, change=change, by=None, people=[ANA])
    return AppStateChange.group_members(GROUP, told, at=at)


async def document(documents: Documents) -> Document:
    found = await documents.get(CHATS, app_state.document_id("shop", GROUP))
    assert found is not None
    return found


async def test_each_change_is_an_event_and_a_repeat_is_none(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        for key, change, kinds in (
            (1, setting("subject", "Us"), ["group.updated"]),
            (2, setting("subject", "Us"), []),
            (3, setting("announce", value=False), ["group.updated"]),
            (4, setting("announce", value=True), ["group.updated"]),
            (5, members("added", "A"), ["group.participants"]),
            (6, members("added", "A"), []),
            (7, members("removed", "B"), ["group.participants"]),
            (6, setting("announce", value=True), []),
        ):
            assert await events_of(documents, [noting(key, change)]) == kinds, key


async def test_an_older_change_replaces_no_newer_one(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        await documents.batch([noting(2, setting("subject", "New"))])
        assert await events_of(documents, [noting(1, setting("subject", "Old"))]) == []
        assert (
            app_state.shown(await document(documents))["group:subject"]["value"]["value"] == "New"
        )


async def test_a_group_alone_is_no_chat_with_a_setting(tmp_path: Path) -> None:
    """Lists of chats go by `at` and by `active_at`."""
    async with store(tmp_path) as documents:
        await documents.batch(
            [noting(1, setting("subject", "Us")), noting(2, members("added", "A"))]
        )
        for field in ("at", "active_at"):
            where, order = [Where("connection", "==", "shop")], [Order(field, descending=True)]
            assert (await documents.query(CHATS, where=where, order=order)).items == []
        pinned = noting(3, AppStateChange.pin(GROUP, pinned=True, at=9.0))
        assert await events_of(documents, [pinned]) == ["chat.updated"]
        await documents.batch([noting(4, setting("subject", "Them", at=20.0))])
        found = await document(documents)
    assert (found["at"], found["pinned"], found["chat"]) == (9.0, True, GROUP)


async def test_the_newest_subject_names_the_chat(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        arrived = Activity(GROUP, 1.0, "shop.in.1", "arrived", "Us")
        await documents.batch(chat_activity.noting("shop", [arrived]))
        await documents.batch([noting(1, setting("subject", "Them"))])
        assert (await document(documents))["name"] == "Them"
        await documents.batch([noting(2, setting("subject", ""))])
        found = await document(documents)
    assert (found["name"], found["unread_count"]) == ("Them", 1)


async def test_another_picture_ends_the_noted_one_and_has_an_event(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        await documents.batch(
            chat_activity.noting("shop", [Activity(GROUP, 1.0, "shop.in.1", "arrived", "Us")])
        )
        await picture(documents, GROUP, "1" * 64)
        await documents.batch([noting(1, setting("subject", "Them"))])
        assert (await document(documents))["picture"] == "1" * 64
        for key, id_ in ((2, "7"), (3, "8"), (4, "")):
            told = await events_of(documents, [noting(key, setting("picture", id_))])
            assert told == ["group.updated"]
            assert "picture" not in await document(documents)
