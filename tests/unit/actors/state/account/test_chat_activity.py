"""Chats with their newest message: the same however often and in whatever order messages come, beside settings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import app_state, chat_activity
from actors.state.account.chat_activity import Activity
from actors.state.documents import (
    CHATS,
    Order,
    Where,
)
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Document, Documents, Write

ANA, BEN, LID = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net", "90000000000002@lid"
GROUP = "120363000000000001@g.us"


@asynccontextmanager
async def store(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    documents = SqliteDocuments(tmp_path / "state.db")
    try:
        yield documents
    finally:
        await documents.close()


async def listed(documents: Documents, connection: str = "shop") -> list[Document]:
    """As the API lists them."""
    where = [Where("connection", "==", connection)]
    order = [Order("active_at", descending=True)]
    return (await documents.query(CHATS, where=where, order=order)).items


def arrived(at: float, chat: str = ANA, name: str | None = "Ana") -> Activity:
    return Activity(chat, at, f"shop.in.{at}", "arrived", name)


def answered(at: float, chat: str = ANA) -> Activity:
    return Activity(chat, at, f"shop.3EB0{at}", "answered")


async def test_the_chat_with_the_newest_message_is_first(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        for one in (arrived(1), arrived(2, BEN, "Ben"), arrived(3), answered(4, GROUP)):
            await documents.batch(chat_activity.noting("shop", [one]))
        await documents.batch(chat_activity.noting("desk", [arrived(9)]))
        found = await listed(documents)
    assert [(one["chat"], one["name"], one["unread_count"]) for one in found] == [
        (GROUP, None, 0),
        (ANA, "Ana", 2),
        (BEN, "Ben", 1),
    ]
    assert found[1]["last"] == "shop.in.3"


@pytest.mark.parametrize("together", [True, False])
async def test_a_repeat_counts_once_and_an_older_one_changes_nothing(
    tmp_path: Path, together: bool
) -> None:
    async with store(tmp_path) as documents:
        batches: list[list[Activity]] = [[arrived(1), arrived(2)], [arrived(2)], [arrived(1)]]
        all_ = [one for batch in batches for one in batch]
        for batch in [all_] if together else batches:
            await documents.batch(chat_activity.noting("shop", batch))
        (found,) = await listed(documents)
    assert (found["last"], found["unread_count"]) == ("shop.in.2", 2)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_what_is_read_and_last_does_not_depend_on_the_batches(
    tmp_path: Path, order: Sequence[int]
) -> None:
    """The queue's view of what the API sent is stored up to two seconds later."""
    said = [arrived(1), answered(2), arrived(3)]
    async with store(tmp_path) as documents:
        for place in order:
            await documents.batch(chat_activity.noting("shop", [said[place]]))
        (found,) = await listed(documents)
    assert (found["last"], found["active_at"], found["name"]) == ("shop.in.3", 3, "Ana")
    assert found["unread_count"] >= 1, "what arrived after the answer is unread in each order"


def test_only_messages_count_and_those_of_a_history_sync_are_read() -> None:
    message = {"chat": ANA, "at": 1.0, "sender": ANA, "direction": "in", "type": "text"}

    def does(**fields: Any) -> Activity | None:
        return chat_activity.of_message({**message, **fields}, "A")

    assert does(type="reaction") is None
    assert does() == Activity(ANA, 1.0, "A", "arrived")
    assert does(source="history") == Activity(ANA, 1.0, "A", "past")
    assert does(direction="out", sender=None, source="api") == Activity(ANA, 1.0, "A", "answered")
    assert does(chat_name="Chess", sender_name="Ana") == Activity(ANA, 1.0, "A", "arrived", "Chess")
    assert does(sender_name="Ana Pereira", push_name="Ana") == Activity(
        ANA, 1.0, "A", "arrived", "Ana Pereira"
    )
    in_group = does(chat=GROUP, sender_name="Ana")
    assert in_group is not None
    assert in_group.name is None, "the sender's is not the group's"


async def test_a_read_mark_is_for_what_had_arrived(tmp_path: Path) -> None:
    async with store(tmp_path) as documents:
        await documents.batch([chat_activity.reading("shop", ANA, 9.0)])
        await documents.batch(chat_activity.noting("shop", [arrived(1), arrived(2)]))
        await documents.batch([chat_activity.reading("shop", ANA, 1.5)])
        assert (await listed(documents))[0]["unread_count"] == 2
        await documents.batch([chat_activity.reading("shop", ANA, 2.5)])
        assert (await listed(documents))[0]["unread_count"] == 0


def changed(change: AppStateChange, key: int) -> Write:
    more = {"key": key, "epoch": 1, "collection": "low", "news": True, "noted_as": change.id}
    return app_state.changing("shop", {**asdict(change), **more, "at": float(key)})


async def test_settings_and_activity_leave_each_other(tmp_path: Path) -> None:
    """Also where a full sync has none of the settings any more."""
    pin, archive = AppStateChange.pin(ANA, pinned=True), AppStateChange.archive(ANA, archived=True)
    async with store(tmp_path) as documents:
        await documents.batch([changed(pin, 1)])
        assert await listed(documents) == []
        await documents.batch(chat_activity.noting("shop", [arrived(5)]))
        await documents.batch([changed(archive, 2)])
        (found,) = await listed(documents)
        assert set(app_state.shown(found)) == {"pinned", "archived"}
        assert (found["last"], found["at"], found["chat"]) == ("shop.in.5", 2.0, ANA)
        replaced = {"collection": "low", "epoch": 1, "until": 9, "at": 9.0, "key": 10}
        for _ in range(2):
            (found,) = await listed(documents)
            write = app_state.clearing(CHATS, "shop", found, replaced)
            if write is not None:
                await documents.batch([write])
        (found,) = await listed(documents)
        assert (app_state.shown(found), found["last"], "at" in found) == ({}, "shop.in.5", False)


@pytest.mark.parametrize("there", [None, 3.0, 7.0])
async def test_a_chat_that_has_another_address_is_listed_once(
    tmp_path: Path, there: float | None
) -> None:
    async with store(tmp_path) as documents:
        await documents.batch(
            chat_activity.noting("shop", [arrived(4, LID), arrived(5, LID, None)])
        )
        await documents.batch([changed(AppStateChange.pin(LID, pinned=True), 1)])
        if there is not None:
            await documents.batch(
                chat_activity.noting("shop", [arrived(there, ANA, "Ana Pereira")])
            )
        for _ in range(2):  # a crash has it repeated
            former = await documents.get(CHATS, app_state.document_id("shop", LID))
            assert former is not None
            moves = app_state.moving(CHATS, "shop", former, ANA) if app_state.shown(former) else []
            await documents.batch([*moves, *chat_activity.moving("shop", former, ANA)])
        (found,) = await listed(documents)
    assert found["chat"] == ANA
    assert found["active_at"] == max(5, there or 0)
    assert found["last"] == (f"shop.in.{there}" if there == 7 else None)
    assert found["unread_count"] == (2 if there is None else 3)
    assert found["name"] == ("Ana" if there is None else "Ana Pereira")
    assert set(app_state.shown(found)) == {"pinned"}


def message(number: int, chat: str, **fields: Any) -> Document:
    return {
        "id": f"shop.in.{number}",
        "connection": "shop",
        "chat": chat,
        "sender": chat,
        "push_name": f"Person {chat[:11]}",
        "direction": "in",
        "type": "text",
        "status": "received",
        "at": float(number),
        **fields,
    }
