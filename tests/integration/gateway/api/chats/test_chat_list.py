"""The list of chats: newest first, in pages, by name, number and text; with few documents read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.account import chat_activity
from actors.state.account.app_state import document_id
from actors.state.documents import CHATS, MESSAGES, Write
from gateway.text_search import TEXTS_SEARCHED
from tests.integration.gateway.api.pages import all_pages
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

GROUP = "120363000000000077@g.us"


def person(number: int) -> str:
    return f"1555010{number:04}@s.whatsapp.net"


async def say(documents: Documents, number: int, chat: str, text: str, **fields: Any) -> str:
    """A stored message with its chat's document, as the StateManager writes them."""
    identity, document = message(number, chat, text, **fields)
    await documents.set(MESSAGES, identity, document)
    known = chat_activity.of_message(document, identity)
    await documents.batch(chat_activity.noting(SHOP, [known]))
    return identity


def message(number: int, chat: str, text: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The document of a message, with its id."""
    return f"{SHOP}.in.{number + 10_000:024x}", {
        "message_id": f"CHAT{number}",
        "connection": SHOP,
        "chat": chat,
        "sender": chat,
        "direction": "in",
        "type": "text",
        "text": text,
        "status": "received",
        "source": "live",
        "at": time.time() + number,
        "received_at": time.time() + number,
        **fields,
    }


def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    return all_pages(api, "/api/chats", **query)


@pytest.fixture
async def chats(documents: Documents) -> Documents:
    """Chats with 25 persons and a group, some of whom wrote twice."""
    for number in range(25):
        name = {"push_name": f"Person {number}"} if number % 2 else {}
        await say(documents, number, person(number), f"hello {number}", **name)
    await say(documents, 30, person(3), "Where is my order?", sender_name="Ana Pereira")
    group = {"sender": person(4), "sender_name": "Bea", "chat_name": "Chess club"}
    await say(documents, 31, GROUP, "Check!", **group)
    return documents


async def test_chats_are_listed_newest_first_in_pages(api: Api, chats: Documents) -> None:
    found = listed(api)
    assert [one["chat"] for one in found[:3]] == [GROUP, person(3), person(24)]
    assert [one["chat"] for one in listed(api, limit=4)] == [one["chat"] for one in found]
    assert len({one["chat"] for one in found}) == len(found) >= 26
    club, ana, plain = found[:3]
    assert (club["name"], club["unread"]) == ("Chess club", 1)
    assert club["last_message"]["text"] == "Check!"
    assert club["last_message"]["author"]["name"] == "Bea"
    assert (ana["name"], ana["unread"]) == ("Ana Pereira", 2)
    assert ana["active_at"] == ana["last_message"]["at"]
    assert plain["name"] == "+15550100024"
    assert (plain["muted"], plain["archived"], plain["pinned"]) == (False, False, False)
    await chats.delete(MESSAGES, club["last_message"]["id"])
    assert listed(api)[0]["last_message"] is None, "it was pruned"


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("pereira", [person(3)]),
        ("CHESS", [GROUP]),
        ("my order", [person(3)]),
        ("+1 555 010-0017", [person(17)]),
        ("hello 1", [person(number) for number in (*range(19, 9, -1), 1)]),
        ("nobody at all", []),
    ],
)
@pytest.mark.parametrize("limit", [3, 50])
async def test_a_search_finds_names_numbers_and_texts(
    api: Api, chats: Documents, search: str, expected: list[str], limit: int
) -> None:
    found = listed(api, search=search, limit=limit)
    assert [one["chat"] for one in found] == expected


@pytest.mark.parametrize("limit", [3, 50])
async def test_a_search_finds_texts_that_others_followed(
    api: Api, chats: Documents, limit: int
) -> None:
    """Not only the newest one of a chat."""
    (found,) = listed(api, search="HELLO 3", limit=limit)
    assert (found["chat"], found["last_message"]["text"]) == (person(3), "Where is my order?")
    assert found["found_message"]["text"] == "hello 3"
    (last,) = listed(api, search="hello 24", limit=limit)
    assert (last["last_message"]["text"], last["found_message"]) == ("hello 24", None)
    (by_name,) = listed(api, search="chess", limit=limit)
    assert by_name["found_message"] is None


async def test_a_search_says_since_when_it_looked_at_texts(api: Api, chats: Documents) -> None:
    def answer(**query: Any) -> dict[str, Any]:
        found = api.get("/api/chats", params={"connection": "shop", **query})
        return dict(found.raise_for_status().json())

    await say(chats, -TEXTS_SEARCHED, person(25), "the deposit")
    await say(chats, -TEXTS_SEARCHED + 1, person(25), "the second")
    assert answer(search="deposit")["items"][0]["chat"] == person(25)
    assert answer()["texts_since"] is None
    more = [message(100 + number, GROUP, "more and more") for number in range(TEXTS_SEARCHED)]
    for first in range(0, TEXTS_SEARCHED, 250):
        await chats.batch([Write("set", MESSAGES, *each) for each in more[first : first + 250]])
    found = answer(search="deposit")
    assert found["items"] == [], "it is too old, and not the last one of its chat"
    oldest = [
        one["at"]
        for one in all_pages(api, "/api/messages", connection="shop", limit=500)[:TEXTS_SEARCHED]
    ]
    assert found["texts_since"] == oldest[-1]
    assert [one["chat"] for one in answer(search="the second")["items"]] == [person(25)]


async def test_a_deleted_text_is_not_found(api: Api, chats: Documents) -> None:
    said = await say(chats, 5_000, person(26), "a secret")
    await say(chats, 5_001, person(26), "never mind")
    assert len(listed(api, search="a secret")) == 1
    await chats.set(MESSAGES, said, {"changes": {"deleted": {"at": 1.0}}}, merge=True)
    assert listed(api, search="a secret") == []


async def test_a_chat_with_another_address_shows_its_newest_message(
    api: Api, chats: Documents
) -> None:
    id_ = document_id(SHOP, person(24))
    await chats.set(CHATS, id_, {"last": None}, merge=True)
    (found,) = listed(api, search="15550100024")
    assert found["last_message"]["text"] == "hello 24"


def test_a_list_needs_a_connection(api: Api) -> None:
    assert api.get("/api/chats").json()["code"] == "invalid_parameter"
    answer = api.get("/api/chats", params={"connection": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connection")
    refused = api.get("/api/chats", params={"connection": "shop", "limit": 201})
    assert refused.status_code == 422
