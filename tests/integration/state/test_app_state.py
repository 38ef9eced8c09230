"""App state in the store: once, in order, of the newest owner alone; killed at each step on the way."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.app_state_changes import (
    AppStateChange,
    InboxAppState,
    InboxReplaced,
)
from actors.connection.session.session import Session
from actors.state import actor
from actors.state.account import chat_activity, pictures
from actors.state.account.app_state import document_id, name_of, shown
from actors.state.account.app_state_pages import forget, pages
from actors.state.account.chat_activity import Activity
from actors.state.connections import Connections
from actors.state.documents import CHATS, CONTACTS, LABELS, Order, Where
from actors.state.events.log import EventLog
from actors.state.open_store import open_documents
from gateway.schemas import event_presenters
from tests.integration.state.test_changes import drained, sent
from tests.integration.state.test_changes import valkey as valkey  # noqa: PLC0414

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.state.actor import StateManager
    from actors.state.documents import Documents
    from tests.processes.valkey import Valkey

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
LID = "90000000000002@lid"
LOW, HIGH, NAMES, LABELLED = "regular_low", "regular_high", "critical_unblock_low", "regular"

OF = {"name": NAMES, "mute": HIGH, "definition": LABELLED}
"""The collection of some settings; others are in `LOW`."""


def noted(
    change: AppStateChange,
    key: int,
    epoch: int = 1,
    *,
    news: bool = True,
    noted_as: str | None = None,
) -> dict[str, Any]:
    item = InboxAppState(
        key,
        epoch,
        OF.get(change.setting, LOW),
        change.subject,
        change.id,
        change.setting,
        change.value,
        change.at or 100.0 + key,
        news,
        noted_as or change.id,
        change.removed,
    )
    return asdict(item)


def archive(chat: str, *, archived: bool = True) -> AppStateChange:
    return AppStateChange.archive(chat, archived=archived)


def named(address: str, name: str | None) -> AppStateChange:
    return AppStateChange.contact(address, full_name=name)


async def contacts(documents: Documents) -> list[tuple[str, str | None]]:
    where = [Where("connection", "==", "shop")]
    page = await documents.query(CONTACTS, where=where, order=[Order("sort_name")])
    return [(each["address"], name_of(each)) for each in page.items]


async def chat(documents: Documents, address: str, of: str = CHATS) -> dict[str, Any]:
    """The values of its settings."""
    there = await documents.get(of, document_id("shop", address))
    return {name: one["value"] for name, one in shown(there).items()}


async def listed(documents: Documents) -> list[str]:
    where = [Where("connection", "==", "shop")]
    page = await documents.query(CHATS, where=where, order=[Order("at", descending=True)])
    return [each["chat"] for each in page.items]


async def replace(
    manager: StateManager, of: str, until: int, epoch: int = 1, key: int | None = None
) -> None:
    replaced = asdict(InboxReplaced(key or until + 100, epoch, of, until, 900.0))
    progress, after = "more", None
    while progress == "more":
        progress, after = await manager.clear_app_state("shop", epoch, replaced, after)
    assert progress == "done"


@pytest.fixture
async def shop(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")


@pytest.mark.usefixtures("shop")
async def test_settings_of_all_kinds_are_in_the_store_when_the_call_returns(
    manager: StateManager, documents: Documents
) -> None:
    changes = [
        named(BEN, "zoe"),
        AppStateChange.contact(ANA, first_name="Ana"),
        AppStateChange.mute(ANA, muted=True, until=500.0),
        archive(ANA),
        AppStateChange.pin(BEN, pinned=True),
        AppStateChange.label_of_chat(BEN, "5", labelled=True),
        AppStateChange.label("5", name="New customer", colour=2),
        AppStateChange.emptied(BEN, deleted=False),
    ]
    items = [noted(change, key) for key, change in enumerate(changes, 1)]
    for _ in range(2):
        assert await manager.note_app_state("shop", 1, items)
        assert await contacts(documents) == [(ANA, "Ana"), (BEN, "zoe")]
        assert await chat(documents, ANA) == {"mute": {"until": 500.0}, "archived": True}
        assert await chat(documents, BEN) == {
            "pinned": True,
            "label:5": True,
            "emptied": {"deleted": False},
        }
        assert await chat(documents, "5", LABELS) == {
            "definition": {"name": "New customer", "colour": 2}
        }
        assert await listed(documents) == [BEN, ANA]
    found = (await documents.query(CHATS, where=[Where("archived", "==", value=True)])).items
    assert [each["chat"] for each in found] == [ANA]
    assert (found[0]["pinned"], found[0]["unread"], found[0]["at"]) == (False, False, 104.0)


@pytest.mark.usefixtures("shop")
async def test_an_older_change_replaces_no_newer_one(
    manager: StateManager, documents: Documents
) -> None:
    """By epoch and key, whatever WhatsApp's time; also from a file that an older epoch left."""
    assert await manager.note_app_state("shop", 3, [noted(named(ANA, "New"), 2, epoch=3)])
    for key, epoch in ((1, 3), (2, 3), (9, 2)):
        late = noted(AppStateChange.contact(ANA, full_name="Old", at=9e9), key, epoch)
        assert await manager.note_app_state("shop", 3, [late])
        assert await contacts(documents) == [(ANA, "New")]
    gone = noted(named(ANA, None), 3, epoch=3)
    assert await manager.note_app_state("shop", 3, [gone])
    assert await manager.note_app_state("shop", 3, [noted(named(ANA, "New"), 2, epoch=3)])
    assert await contacts(documents) == []
    there = await documents.get(CONTACTS, document_id("shop", ANA))
    assert there is not None
    assert "address" not in there
    assert "New" not in str(there)


@pytest.mark.usefixtures("shop")
async def test_a_stale_owner_notes_and_clears_nothing(
    manager: StateManager, documents: Documents
) -> None:
    """G6."""
    assert await manager.note_app_state("shop", 2, [noted(archive(ANA), 1, epoch=2)])
    stale = [noted(archive(BEN), 9)]
    assert not await manager.note_app_state("shop", 1, stale)
    replaced = asdict(InboxReplaced(9, 9, LOW, 9, 9.0))
    assert await manager.clear_app_state("shop", 1, replaced, None) == ("lost", None)
    assert await listed(documents) == [ANA]


@pytest.mark.usefixtures("shop")
async def test_a_full_sync_leaves_nothing_of_what_it_has_not(
    manager: StateManager, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its collection alone, over many pages; what was noted since stays."""
    monkeypatch.setattr(actor, "WRITES_WITH_EVENTS", 8)
    addresses = [f"155501{number:05}@s.whatsapp.net" for number in range(40)]
    first = [
        change
        for address in addresses
        for change in (
            named(address, address),
            archive(address),
            AppStateChange.mute(address, muted=True),
        )
    ]
    for begin in range(0, len(first), 30):
        items = [noted(each, begin + place) for place, each in enumerate(first[begin : begin + 30])]
        assert await manager.note_app_state("shop", 1, items)
    kept = [
        noted(archive(address), 1000 + n, news=False) for n, address in enumerate(addresses[:3])
    ]
    assert await manager.note_app_state("shop", 1, kept)
    assert await manager.note_app_state("shop", 1, [noted(archive(addresses[7]), 2000)])
    await replace(manager, LOW, until=999)
    archived = [a for a in addresses if "archived" in await chat(documents, a)]
    assert archived == [*addresses[:3], addresses[7]]
    assert len(await listed(documents)) == len(await contacts(documents)) == 40
    for collection in (HIGH, NAMES, LOW):
        await replace(manager, collection, until=3000)
    assert (await listed(documents), await contacts(documents)) == ([], [])
    await replace(manager, LOW, until=4000)
    assert [page async for page in pages(documents, "shop")] == [], "nothing is left of them"


@pytest.mark.usefixtures("shop")
async def test_a_full_sync_after_an_older_copy_was_restored(
    manager: StateManager, documents: Documents
) -> None:
    """Its keys are lower than those of what the lost session noted, its epoch is newer."""
    lost = [noted(named(ANA, "Ana"), 70), noted(named(BEN, "Ben"), 71)]
    assert await manager.note_app_state("shop", 1, lost)
    again = [noted(named(ANA, "Ana Pereira"), 4, epoch=2, news=False)]
    assert await manager.note_app_state("shop", 2, again)
    await replace(manager, NAMES, until=3, epoch=2, key=5)
    assert await contacts(documents) == [(ANA, "Ana Pereira")]


@pytest.mark.usefixtures("shop")
async def test_what_is_noted_of_a_lid_is_its_numbers_once_merged(
    manager: StateManager, documents: Documents
) -> None:
    """Of each setting the later one; repeated, and beside messages."""
    items = [
        noted(archive(LID), 1),
        noted(archive(ANA), 2),
        noted(AppStateChange.pin(LID, pinned=True), 3),
        noted(archive(ANA, archived=False), 4),
        noted(named(LID, "Ana"), 5),
    ]
    assert await manager.note_app_state("shop", 1, items)
    for _ in range(2):
        assert await manager.merge_chat("shop", 1, LID, ANA) == "done"
        assert await chat(documents, ANA) == {"pinned": True}
        assert await contacts(documents) == [(ANA, "Ana")]
        assert await listed(documents) == [ANA]
    assert await manager.merge_chat("shop", 2, LID, ANA) == "done"
    assert await manager.merge_chat("shop", 1, LID, ANA) == "lost"


@pytest.mark.usefixtures("shop")
async def test_an_entry_that_moves_from_the_number_to_the_lid_keeps_what_it_says(
    manager: StateManager, documents: Documents
) -> None:
    """In whatever order it is set and removed; an unset one counts under either address."""
    assert await manager.note_app_state("shop", 1, [noted(named(ANA, "Ana"), 1)])
    moved = [
        noted(named(ANA, "Ana"), 2, noted_as=LID),
        noted(named(ANA, "Ana").entry_removed(), 3),
    ]
    assert await manager.note_app_state("shop", 1, moved)
    assert await contacts(documents) == [(ANA, "Ana")]
    assert await manager.note_app_state("shop", 1, [noted(archive(ANA), 4)])
    off = noted(archive(ANA, archived=False), 5, noted_as=LID)
    assert await manager.note_app_state("shop", 1, [off])
    assert await chat(documents, ANA) == {}
    gone = noted(named(ANA, "Ana").entry_removed(), 6, noted_as=LID)
    assert await manager.note_app_state("shop", 1, [gone])
    assert await contacts(documents) == []
    there = await documents.get(CONTACTS, document_id("shop", ANA))
    assert LID not in str(there)
    assert ANA not in str(there)


@pytest.mark.usefixtures("shop")
async def test_visible_changes_are_events_once(manager: StateManager, documents: Documents) -> None:
    """A first full sync gives no events; a later one gives those of changed and of deleted entries."""
    log = EventLog(documents)
    await log.want(time.time() + 60)
    first = [noted(named(ANA, "Ana"), 1, news=False), noted(archive(BEN), 2, news=False)]
    assert await manager.note_app_state("shop", 1, first)
    await replace(manager, NAMES, until=0, key=3)
    assert (await log.after(0)).events == []
    later = [
        noted(named(ANA, "Ana Pereira"), 4, news=False),
        noted(archive(BEN), 5),
        noted(AppStateChange.pin(ANA, pinned=True), 6),
        noted(AppStateChange.label("5", name="New"), 7),
    ]
    for _ in range(2):
        assert await manager.note_app_state("shop", 1, later)
        await replace(manager, LOW, until=5, key=8)
    told = (await log.after(0)).events
    events = [each.event for each in told]
    assert [(each.type, each.at) for each in events] == [
        ("contact.updated", 104.0),
        ("chat.updated", 106.0),
        ("chat.updated", 900.0),
    ]
    assert events[0].data["address"] == ANA
    assert events[0].data["settings"]["name"]["value"]["full_name"] == "Ana Pereira"
    assert (events[1].data["chat"], set(events[1].data["settings"])) == (ANA, {"pinned"})
    assert (events[2].data["chat"], events[2].data["settings"]) == (BEN, {})
    assert len({each.id for each in events}) == 3
    contact, pinned, none = (json.loads(event_presenters.written(each))["data"] for each in told)
    assert (contact["connection"], contact["address"]) == ("shop", ANA)
    assert contact["name"] == "Ana Pereira"
    assert (pinned["chat"], pinned["pinned"], pinned["archived"]) == (ANA, True, False)
    assert (none["chat"], none["archived"]) == (BEN, False)


@pytest.mark.usefixtures("shop")
async def test_another_picture_ends_that_which_the_chat_was_seen_with(
    manager: StateManager, documents: Documents
) -> None:
    await documents.batch(chat_activity.noting("shop", [Activity(ANA, 1.0, "shop.1", "arrived")]))
    await pictures.note(documents, await pictures.listed(documents, "shop", ANA), "1" * 64)
    assert await manager.note_app_state("shop", 1, [noted(named(ANA, "Ana"), 1)])
    there = await pictures.listed(documents, "shop", ANA)
    assert (pictures.last(there), len(there)) == ("1" * 64, 2)
    change = AppStateChange.picture(ANA, "7", {"sender_name": None, "sender_lid": None}, at=5.0)
    assert await manager.note_app_state("shop", 1, [noted(change, 2)])
    assert pictures.last(await pictures.listed(documents, "shop", ANA)) is None


async def test_of_a_deleted_connection_nothing_is_kept(
    manager: StateManager, documents: Documents
) -> None:
    """G12: its owner need not come again."""
    connections = Connections(documents)
    for name in ("shop", "desk"):
        await connections.create(name, id=name)
        assert await manager.note_app_state(name, 1, [noted(named(ANA, "Ana"), 1)])
    await connections.delete("shop")
    await forget(documents, "shop")
    assert await manager.note_app_state("shop", 1, [noted(named(BEN, "Ben"), 2)])
    await connections.remove("shop")
    assert await manager.note_app_state("shop", 1, [noted(named(BEN, "Ben"), 2)])
    assert [page async for page in pages(documents, "shop")] == []
    assert len([page async for page in pages(documents, "desk")]) == 1


POINTS = [
    "before_store",
    "after_store",
    "before_clearing",
    "after_clearing",
    "before_settling_commit",
    "before_settling_the_end",
]


@pytest.mark.parametrize("point", POINTS)
async def test_killed_while_app_state_is_carried_on(
    valkey: Valkey, tmp_path: Path, point: str
) -> None:
    """G5: a full sync that leaves some out, and changes behind it, wherever the process dies."""
    settings = valkey.settings().model_copy(update={"data": tmp_path})
    settings.save()
    file = tmp_path / "session.db"
    await sent(settings)
    with closing(Session.open(file, 1)) as session:
        async with session.transaction():
            full = [named(ANA, "Ana"), named(BEN, "Ben")]
            assert session.app_state.note(NAMES, 1, full, after=None)
    assert drained(settings, file, 1, "none") == 0
    assert await names(settings) == [(ANA, "Ana"), (BEN, "Ben")]
    with closing(Session.open(file, 1)) as session:
        async with session.transaction():
            assert session.app_state.note(NAMES, 5, [named(ANA, "Ana P.")], after=None)
            assert session.app_state.note(NAMES, 6, [named(ANA, "Ana Pereira")], after=5)
            assert session.app_state.note(LOW, 3, [archive(ANA)], after=None)
    begun = time.monotonic()
    died = drained(settings, file, 2, point)
    log = (tmp_path / "child.log").read_text()[-2000:]
    assert died == -signal.SIGKILL, log
    with closing(Session.open(file, 3)) as session:
        waiting = len(session.inbox.pending("app_state", 100))
        assert session.app_state.version(NAMES) == 6
    assert waiting == (4 if point in POINTS[2:4] + POINTS[5:] else 5), "what is not settled stays"
    print(f"{point}: {waiting} in flight at the kill, after {time.monotonic() - begun:.1f} s")
    assert drained(settings, file, 4, "none") == 0, (tmp_path / "child.log").read_text()[-2000:]
    with closing(Session.open(file, 5)) as session:
        assert session.inbox.pending("app_state", 100) == []
    assert await names(settings) == [(ANA, "Ana Pereira")]
    store = open_documents(settings)
    assert await listed(store) == [ANA]
    await store.close()


async def names(settings: Settings) -> list[tuple[str, str | None]]:
    store = open_documents(settings)
    try:
        return await contacts(store)
    finally:
        await store.close()
