"""Contacts and settings of chats, on every store: in any order, repeated, merged, cleared (G5)."""

from __future__ import annotations

from dataclasses import asdict
from itertools import permutations
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.app_state_changes import AppStateChange, InboxReplaced
from actors.state.account.app_state import changing, clearing, document_id, moving, shown
from actors.state.account.app_state_pages import forget, pages
from actors.state.documents import CHATS, CONTACTS, Order, Where

if TYPE_CHECKING:
    from actors.state.documents import Document, Documents, Write

ANA, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
SHOP = Where("connection", "==", "shop")


def write(change: AppStateChange, key: int, epoch: int = 1) -> Write:
    noted = {
        "key": key,
        "epoch": epoch,
        "collection": "regular",
        "news": True,
        "at": key * 10.0,
        "noted_as": change.id,
    }
    return changing("shop", {**asdict(change), **noted})


async def chat(documents: Documents, address: str = ANA) -> Document:
    there = await documents.get(CHATS, document_id("shop", address))
    assert there is not None
    return there


def values(document: Document) -> dict[str, Any]:
    return {name: one["value"] for name, one in shown(document).items()}


async def test_the_last_change_of_each_setting_stays_in_any_order(documents: Documents) -> None:
    writes = [
        write(AppStateChange.mute(ANA, muted=True, until=7.0), 1),
        write(AppStateChange.archive(ANA, archived=True), 2),
        write(AppStateChange.mute(ANA, muted=True), 1, epoch=2),
        write(AppStateChange.label_of_chat(ANA, "5", labelled=True), 9),
    ]
    found = []
    for order in permutations(range(4)):
        for index in (*order, *order):
            await documents.batch([writes[index]])
        found.append(await chat(documents))
        await documents.delete(CHATS, document_id("shop", ANA))
    assert all(each == found[0] for each in found)
    assert values(found[0]) == {"mute": {"until": None}, "archived": True, "label:5": True}
    assert (found[0]["at"], found[0]["archived"], found[0]["pinned"]) == (90.0, True, False)


async def test_two_addresses_of_a_person_become_one(documents: Documents) -> None:
    await documents.batch(
        [
            write(AppStateChange.pin(LID, pinned=True), 3),
            write(AppStateChange.archive(LID, archived=True), 1),
            write(AppStateChange.archive(ANA, archived=False), 2),
        ]
    )
    for _ in range(2):
        await documents.batch(moving(CHATS, "shop", await chat(documents, LID), ANA))
        assert values(await chat(documents)) == {"pinned": True}
        former = await chat(documents, LID)
        assert (values(former), former.get("chat")) == ({}, None)
    page = await documents.query(CHATS, where=[SHOP], order=[Order("at")])
    assert [each["chat"] for each in page.items] == [ANA]


async def test_a_full_sync_clears_what_it_has_not_and_the_empty_document_later(
    documents: Documents,
) -> None:
    await documents.batch([write(AppStateChange.contact(ANA, full_name="Ana"), 3)])
    place = document_id("shop", ANA)
    for until, expected in ((2, "Ana"), (3, None)):
        there = await documents.get(CONTACTS, place)
        assert there is not None
        replaced = asdict(InboxReplaced(9, 1, "regular", until, 9.0))
        made = clearing(CONTACTS, "shop", there, replaced)
        await documents.batch([] if made is None else [made])
        page = await documents.query(CONTACTS, where=[SHOP], order=[Order("sort_name")])
        assert [each["settings"]["name"]["value"]["full_name"] for each in page.items] == (
            [] if expected is None else [expected]
        )
    there = await documents.get(CONTACTS, place)
    assert there is not None
    made = clearing(CONTACTS, "shop", there, asdict(InboxReplaced(12, 1, "other", 10, 9.0)))
    assert made is not None
    await documents.batch([made])
    assert await documents.get(CONTACTS, place) is None


async def test_names_are_listed_by_their_beginning_and_all_go_at_once(documents: Documents) -> None:
    people = {"Ana": 1, "anabel": 2, "Ben": 3, "\u00c9mile": 4, "an\U0001f600": 5}
    await documents.batch(
        [
            write(AppStateChange.contact(f"1555010000{key}@s.whatsapp.net", full_name=name), key)
            for name, key in people.items()
        ]
    )
    begun = [Where("sort_name", ">=", "an"), Where("sort_name", "<", "an\U0010ffff")]
    page = await documents.query(CONTACTS, where=[SHOP, *begun], order=[Order("sort_name")])
    assert [each["sort_name"] for each in page.items] == ["ana", "anabel", "an\U0001f600"]
    await forget(documents, "shop")
    assert [each async for each in pages(documents, "shop")] == []
