"""The statements: an index serves each query that the service makes, and finds what it should."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.documents import (
    API_KEYS,
    CHATS,
    CONNECTIONS,
    CONTACTS,
    HEALTH_ALERTS,
    JOBS,
    LABELS,
    MESSAGES,
    QUERIES,
    RECOVERY_ACTIONS,
    Order,
    Where,
)
from actors.state.sqlite.statements import TABLE, compile_query, indexes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NEWEST = (Order("at", descending=True),)
SHOP = Where("connection", "==", "shop")
CHAT = Where("chat", "==", "15550100002@s.whatsapp.net")
IN = Where("direction", "==", "in")
DEAD = Where("status", "==", "dead")


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for statement in (TABLE, *indexes()):
        connection.execute(statement)
    yield connection
    connection.close()


SERVED: list[tuple[str, Sequence[Where], Sequence[Order], str]] = [
    (MESSAGES, [], NEWEST, "at"),
    (MESSAGES, [SHOP], NEWEST, "connection:at"),
    (MESSAGES, [SHOP, CHAT], NEWEST, "connection:chat:at"),
    (MESSAGES, [SHOP, IN], NEWEST, "connection:direction:at"),
    (MESSAGES, [SHOP, DEAD], [Order("at")], "connection:status:at"),
    (MESSAGES, [SHOP, CHAT, IN], NEWEST, "connection:chat:at"),
    (MESSAGES, [SHOP, CHAT, DEAD], NEWEST, "connection:chat:at"),
    (MESSAGES, [SHOP, IN, DEAD], NEWEST, "connection:status:at"),
    (MESSAGES, [SHOP, CHAT, IN, DEAD], NEWEST, "connection:chat:at"),
    (MESSAGES, [SHOP, Where("at", ">", 5.0)], [Order("at")], "connection:at"),
    (CONTACTS, [SHOP], [Order("sort_name")], "connection:sort_name"),
    (CONTACTS, [SHOP, Where("sort_name", ">=", "a")], [Order("sort_name")], "connection:sort_name"),
    (CHATS, [SHOP], NEWEST, "connection:at"),
    (CHATS, [SHOP, Where("archived", "==", value=False)], NEWEST, "connection:at"),
    *((each, [SHOP], [], "connection") for each in (CONTACTS, CHATS, LABELS)),
    (JOBS, [SHOP], [Order("updated_at")], "connection:updated_at"),
    (RECOVERY_ACTIONS, [], NEWEST, "at"),
    (RECOVERY_ACTIONS, [SHOP], NEWEST, "connection:at"),
    (HEALTH_ALERTS, [Where("active", "==", value=True)], NEWEST, "active:at"),
    (API_KEYS, [Where("hash", "==", "ab")], [], "hash"),
]


@pytest.mark.parametrize("further", [False, True], ids=["first page", "later page"])
@pytest.mark.parametrize(("collection", "where", "order", "index"), SERVED)
def test_an_index_serves_what_the_service_asks(
    database: sqlite3.Connection,
    collection: str,
    where: Sequence[Where],
    order: Sequence[Order],
    index: str,
    *,
    further: bool,
) -> None:
    statement = compile_query(collection, where, order, 50, None)
    if further:
        last: dict[str, Any] = {"id": "x", "at": 7.5, "updated_at": 7.5, "sort_name": "ana"}
        statement = compile_query(collection, where, order, 50, statement.request.cursor(last))
    plan = [
        row[3]
        for row in database.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    ]
    assert len(plan) == 1, plan  # no second step sorts
    assert f"USING INDEX {collection}:{index} " in f"{plan[0]} "
    assert plan[0].startswith("SEARCH" if where or further else "SCAN")


def test_the_collections_own_key_serves_a_listing(database: sqlite3.Connection) -> None:
    first = compile_query(CONNECTIONS, [], [], 10, None)
    for after in (None, first.request.cursor({"id": "shop"})):
        statement = compile_query(CONNECTIONS, [], [], 10, after)
        (row,) = database.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
        assert row[3].startswith("SEARCH documents USING PRIMARY KEY")


def test_each_index_has_a_name_of_its_own(database: sqlite3.Connection) -> None:
    names = {
        name
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        if not name.startswith("sqlite_")
    }
    assert len(names) == sum(len(queries) for queries in QUERIES.values())


@pytest.mark.parametrize("name", ["", "A", "a b", "a'--", "1a", "a" * 65])
def test_a_collection_is_an_identifier(name: str) -> None:
    with pytest.raises(ValueError, match="collection"):
        compile_query(name, [], [], None, None)


def test_a_cursor_holds_nothing_but_places() -> None:
    statement = compile_query(MESSAGES, [SHOP, CHAT], NEWEST, 50, None)
    shown = statement.request.cursor({"id": "shop.in.0", "at": 1.5, "text": "secret", "chat": "c"})
    again = compile_query(MESSAGES, [SHOP, CHAT], NEWEST, 50, shown)
    assert again.parameters[2:] == (1.5, 1.5, 1.5, "shop.in.0", 51)
