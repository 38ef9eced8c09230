"""The list of people: of the address book by name, then others with a chat; in pages, by name and number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import app_state
from tests.integration.gateway.api.chats.test_chat_list import GROUP, person, say
from tests.integration.gateway.api.pages import all_pages
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api


async def save(documents: Documents, connection: str, key: int, change: AppStateChange) -> None:
    """A change of the address book, as the StateManager stores it."""
    item = {
        "subject": change.subject,
        "id": change.id,
        "setting": change.setting,
        "value": change.value,
        "removed": change.removed,
        "noted_as": change.id,
        "key": key,
        "epoch": 1,
        "collection": "low",
        "news": False,
        "at": 1.0,
    }
    await documents.batch([app_state.changing(connection, item)])


def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    return all_pages(api, "/api/contacts", **query)


def addresses(items: list[dict[str, Any]]) -> list[str]:
    mine = {person(number) for number in range(500, 520)}
    return [one["address"] for one in items if one["address"] in mine]


@pytest.fixture
async def people(documents: Documents) -> Documents:
    """Five in the address book, and four with a chat, beside a group; one left the address book."""
    for number, name in (
        (500, "Zoe"),
        (501, "ana Pereira"),
        (502, "Bea"),
        (503, "Cara"),
        (504, "Dora"),
    ):
        await save(documents, SHOP, number, AppStateChange.contact(person(number), full_name=name))
    await save(documents, SHOP, 600, AppStateChange.contact(person(503)))
    await say(documents, 700, person(510), "hello", push_name="Eva")
    await say(documents, 701, person(511), "hello")
    await say(documents, 702, person(503), "hello", push_name="Cara herself")
    await say(documents, 703, GROUP, "Check!", sender=person(512), chat_name="Chess club")
    return documents


@pytest.mark.parametrize("limit", [2, 3, 50])
async def test_people_are_listed_by_name_and_then_by_their_chats(
    api: Api, people: Documents, limit: int
) -> None:
    found = listed(api, limit=limit)
    expected = [person(number) for number in (501, 502, 504, 500, 503, 511, 510)]
    assert addresses(found) == expected
    assert len({one["address"] for one in found}) == len(found)
    shown = {one["address"]: one for one in found}
    assert GROUP not in shown
    assert shown[person(501)]["name"] == shown[person(501)]["full_name"] == "ana Pereira"
    assert shown[person(510)] == {
        "address": person(510),
        "number": "15550100510",
        "lid": None,
        "name": "Eva",
        "picture": None,
        "saved": False,
        "full_name": None,
        "first_name": None,
    }
    assert shown[person(511)]["name"] == "+15550100511"
    assert shown[person(503)]["name"] == "Cara herself"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("PEREIRA", [501]),
        ("eva", [510]),
        ("+1 555 010-0511", [511]),
        ("chess", []),
    ],
)
async def test_a_search_finds_names_and_numbers(
    api: Api, people: Documents, search: str, expected: list[int]
) -> None:
    assert addresses(listed(api, search=search)) == [person(number) for number in expected]


async def test_a_person_of_whom_a_picture_alone_is_noted_is_in_no_list(
    api: Api, people: Documents
) -> None:
    change = AppStateChange.picture(
        person(519), "7", {"sender_name": None, "sender_lid": None}, at=1.0
    )
    await save(people, SHOP, 650, change)
    assert person(519) not in addresses(listed(api))
    path, query = "/api/connections/shop/contacts", f"{person(519)},{person(500)}"
    named = api.get(path, params={"addresses": query}).raise_for_status().json()["items"]
    assert [one["address"] for one in named] == [person(500)]


def test_a_cursor_of_another_list_is_refused(api: Api, people: Documents) -> None:
    for cursor in ("nothing", "book.nothing", "chats.nothing", "chats"):
        answer = api.get("/api/contacts", params={"connection": "shop", "after": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), cursor
