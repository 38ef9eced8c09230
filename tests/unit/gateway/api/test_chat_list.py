"""Documents that a page of the list of chats reads: its chats, their newest messages, and contacts where there are any."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unicodedata import combining, normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.state.account import app_state, chat_activity
from actors.state.documents import MESSAGES
from actors.state.sqlite.store import SqliteDocuments
from gateway import text_search
from gateway.api.account import chat_list
from gateway.schemas.people.chats import SEARCHED_CHATS, ListAllChats
from gateway.text_search import (
    CHARACTERS_SEARCHED,
    MOST_SEARCHES,
    TEXTS_AT_ONCE,
    TextSearches,
    folded,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Document, Page

CHATS = 230


def person(number: int) -> str:
    return f"1555010{number:04}@s.whatsapp.net"


class ReadCounter:
    """A store that counts the documents that are read from it, also the most messages that one query read."""

    billed = False

    def __init__(self, documents: SqliteDocuments) -> None:
        self._documents = documents
        self.read = self.most_messages = 0
        self.texts = TextSearches(cast("Any", self))

    async def get(self, collection: str, identity: str) -> Document | None:
        self.read += 1
        return await self._documents.get(collection, identity)

    async def query(self, collection: str, **more: Any) -> Page:
        page = await self._documents.query(collection, **more)
        self.read += len(page.items)
        if collection == MESSAGES:
            self.most_messages = max(self.most_messages, len(page.items))
        return page


async def say(documents: SqliteDocuments, chat: str, text: str, at: float) -> None:
    """Store a message of a person, as its arrival does."""
    message = {
        "message_id": "A",
        "connection": "shop",
        "chat": chat,
        "sender": chat,
        "direction": "in",
        "type": "text",
        "text": text,
        "at": at,
    }
    await documents.set(MESSAGES, f"shop.in.{at:.0f}", message)
    activity = chat_activity.of_message(message, f"shop.in.{at:.0f}")
    await documents.batch(chat_activity.noting("shop", [activity]))


@pytest.fixture
async def documents(tmp_path: Path) -> Any:
    documents = SqliteDocuments(tmp_path / "state.db")
    yield documents
    await documents.close()


@pytest.fixture
async def store(documents: SqliteDocuments) -> ReadCounter:
    for number in range(CHATS):
        await say(documents, person(number), f"hello {number}", float(number))
    named = AppStateChange.contact(person(0), full_name="Ana Pereira")
    pinned = AppStateChange.pin(person(0), pinned=True)
    more = {"key": 1, "epoch": 1, "collection": "low", "news": True, "at": 1.0}
    for change in (named, pinned):
        item = {
            "subject": change.subject,
            "id": change.id,
            "setting": change.setting,
            "value": change.value,
            "removed": False,
            "noted_as": change.id,
            **more,
        }
        await documents.batch([app_state.changing("shop", item)])
    return ReadCounter(documents)


EACH = 3
"""Documents that a chat of a page costs: its own, that of its newest message, and the contact's."""


async def page(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter, **query: Any
) -> tuple[dict[str, Any], int]:
    """A page, and the documents that it read."""

    async def resolve(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(id="shop")

    monkeypatch.setattr(chat_list, "resolve", resolve)
    backends = SimpleNamespace(documents=store, texts=store.texts)
    asked = ListAllChats(connection="shop", **query)
    before = store.read
    answer = await chat_list.listed(cast("Any", SimpleNamespace(query=asked, backends=backends)))
    return json.loads(bytes(answer.body)), store.read - before


async def test_a_page_reads_what_it_shows(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    shown, read = await page(monkeypatch, store, limit=40)
    assert len(shown["items"]) == 40
    assert read == 40 * EACH


async def test_a_page_of_a_search_looks_at_so_many_chats(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    shown, read = await page(monkeypatch, store, search="hello 7", limit=50)
    assert read <= SEARCHED_CHATS * EACH + CHATS, "the texts of all messages, besides"
    assert [one["last_message"]["text"] for one in shown["items"]] == [
        f"hello {number}" for number in range(79, 69, -1)
    ]
    query = {"search": "HELLO 7", "limit": 50, "after": shown["next"]}
    chats = (CHATS - SEARCHED_CHATS) * EACH
    for texts in (0, CHATS):
        rest, read = await page(monkeypatch, store, **query)
        assert [one["chat"] for one in rest["items"]] == [person(7)]
        assert (rest["next"], read) == (None, chats + texts)
        # As many others make it forgotten, and another page has all texts looked at anew.
        for number in range(MOST_SEARCHES):
            await page(monkeypatch, store, search=f"nothing {number}")


async def test_a_later_page_shows_no_text_that_was_deleted_since(
    monkeypatch: pytest.MonkeyPatch, documents: SqliteDocuments, store: ReadCounter
) -> None:
    """Its chat is found no more by what the first page found."""
    for number in (0, 1):
        await say(documents, person(number), "the deposit", CHATS + 2.0 * number)
        await say(documents, person(number), "something newer", CHATS + 2.0 * number + 1)
    query = {"search": "deposit", "limit": 1}
    first, _ = await page(monkeypatch, store, **query)
    assert [one["chat"] for one in first["items"]] == [person(1)]
    query["after"] = first["next"]
    second, _ = await page(monkeypatch, store, **query)
    (found,) = second["items"]
    assert (found["chat"], found["found_message"]["text"]) == (person(0), "the deposit")
    deleted = {"changes": {"deleted": {"at": 1.0}}}
    await documents.set(MESSAGES, f"shop.in.{CHATS}", deleted, merge=True)
    second, _ = await page(monkeypatch, store, **query)
    assert second["items"] == []


async def test_a_search_has_few_messages_in_memory(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    """A person may have sent all of them, as long as texts may be."""
    await page(monkeypatch, store, search="hello 7")
    assert store.most_messages == TEXTS_AT_ONCE < CHATS


async def test_a_search_ends_after_so_many_characters_and_says_since_when(
    monkeypatch: pytest.MonkeyPatch, documents: SqliteDocuments
) -> None:
    """The portion of messages that takes it beyond them is the last one that it looks at."""
    await say(documents, person(0), "words", 0.0)
    await say(documents, person(0), "newer", 1.0)
    for number in range(2, TEXTS_AT_ONCE + 2):
        text = "a" * (CHARACTERS_SEARCHED // TEXTS_AT_ONCE)
        await say(documents, person(number), text, float(number))
    query: dict[str, Any] = {"search": "words", "limit": 50}
    shown, _ = await page(monkeypatch, ReadCounter(documents), **query)
    assert (shown["items"], shown["texts_since"]) == ([], "1970-01-01T00:00:02.000Z")
    monkeypatch.setattr(text_search, "CHARACTERS_SEARCHED", CHARACTERS_SEARCHED + 1)
    shown, _ = await page(monkeypatch, ReadCounter(documents), **query)
    assert [one["found_message"]["text"] for one in shown["items"]] == ["words"]
    assert shown["texts_since"] is None


async def test_a_page_of_chats_with_long_messages_ends_early_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, documents: SqliteDocuments
) -> None:
    """It is looked at after each portion of chats."""
    for number in range(60):
        await say(documents, person(number), "a" * 65_536, float(number))
    store = ReadCounter(documents)
    monkeypatch.setattr(chat_list, "PAGE_BYTES", 65_536)
    first, _ = await page(monkeypatch, store, limit=60)
    rest, _ = await page(monkeypatch, store, limit=60, after=first["next"])
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (50, 10, None)


@settings(max_examples=300)
@given(
    st.text(
        st.sampled_from("aA\u00e9\u0130\ufb01\u0f81\uff9e\u0301\u0323\ufdfa\uac00")
        | st.characters()
    )
)
def test_letters_are_folded_piece_by_piece_as_they_are_at_once(text: str) -> None:
    plain = "".join(each for each in normalize("NFKD", text) if not combining(each))
    assert folded(text) == (plain.casefold() or text)


def test_no_long_run_of_marks_is_decomposed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFKD sorts each run of marks, in time that grows with the square of its length."""
    decomposed: list[str] = []

    def noted(form: Any, text: str) -> str:
        decomposed.append(text)
        return normalize(form, text)

    monkeypatch.setattr(text_search, "normalize", noted)
    assert folded("a" + "\u0301\u0323" * 32_000 + "B") == "ab"
    assert max(map(len, decomposed)) <= 32
    assert "".join(decomposed).count("\u0301") == 32_000


async def test_a_page_of_a_search_has_no_more_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    found: list[str] = []
    after: str | None = None
    while True:
        shown, _ = await page(monkeypatch, store, search="hello", limit=7, after=after)
        assert len(shown["items"]) <= 7
        found += [one["chat"] for one in shown["items"]]
        after = shown["next"]
        if after is None:
            break
    assert found == [person(number) for number in reversed(range(CHATS))]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("caf\u00e9", "un cafe\u0301"),
        ("CAFE\u0301", "un caf\u00e9"),
        ("stra\u00dfe", "STRASSE 4"),
        ("\u03bf\u03b4\u03cc\u03c2", "\u039f\u0394\u039f\u0301\u03a3"),
        ("istanbul", "\u0130stanbul"),
        ("\u0130STANBUL", "istanbul"),
        ("acao", "a\u00e7\u00e3o"),
        ("a\u00e7\u00e3o", "ACAO"),
        ("file", "\ufb01le"),
        ("12", "\uff11\uff12 Uhr"),
        ("\u0301", "\u0301"),
    ],
)
@pytest.mark.parametrize("last", [True, False])
async def test_words_are_found_however_their_letters_were_typed(
    monkeypatch: pytest.MonkeyPatch,
    documents: SqliteDocuments,
    words: str,
    text: str,
    last: bool,
) -> None:
    await say(documents, person(1), text, 1.0)
    if not last:
        await say(documents, person(1), "something newer", 2.0)
    shown, _ = await page(monkeypatch, ReadCounter(documents), search=words)
    (found,) = shown["items"]
    assert found["last_message" if last else "found_message"]["text"] == text


async def test_a_mark_alone_is_not_in_every_text(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    shown, _ = await page(monkeypatch, store, search="\u0301")
    assert shown["items"] == []


async def test_app_state_tells_settings_and_the_address_book(
    monkeypatch: pytest.MonkeyPatch, store: ReadCounter
) -> None:
    shown, _ = await page(monkeypatch, store, search="555010 0000")
    while shown["next"] is not None:
        query = {"search": "555010 0000", "after": shown["next"]}
        shown, _ = await page(monkeypatch, store, **query)
    (found,) = shown["items"]
    assert (found["name"], found["muted"], found["archived"]) == ("Ana Pereira", False, False)
    assert found["pinned"] is True
