"""Documents that a page of the list of people reads, and people who are in the address book and have a chat."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from gateway.api.account import contact_list
from gateway.schemas.people.contacts import ListAllContacts
from tests.unit.gateway.api.test_chat_list import CHATS, ReadCounter, documents, person, store

if TYPE_CHECKING:
    import pytest

__all__ = ["documents", "store"]


async def page(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter, **query: Any
) -> tuple[dict[str, Any], int]:
    """A page, and the documents that it read."""

    async def resolve(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(id="shop")

    monkeypatch.setattr(contact_list, "resolve", resolve)
    asked = ListAllContacts(connection="shop", **query)
    before = store.read
    call = SimpleNamespace(query=asked, backends=SimpleNamespace(documents=store))
    answer = await contact_list.listed(cast("Any", call))
    return json.loads(bytes(answer.body)), store.read - before


async def test_a_person_of_the_address_book_is_listed_once(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        read, cost = await page(monkeypatch, store, limit=40, **after)
        assert cost <= 2 * 40 + 1
        found += read["items"]
        if read["next"] is None:
            break
        after = {"after": read["next"]}
    assert [one["address"] for one in found] == [
        person(0),
        *(person(number) for number in range(CHATS - 1, 0, -1)),
    ]
    assert (found[0]["name"], found[0]["saved"]) == ("Ana Pereira", True)
    assert (found[1]["name"], found[1]["saved"]) == (f"+1555010{CHATS - 1:04}", False)
