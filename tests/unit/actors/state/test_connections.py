"""The registry: what is desired and what is observed never touch each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.limits import Limit, LimitReached
from actors.state.connection_document import Observed
from actors.state.connections import (
    ConnectionExists,
    ConnectionNotFound,
    Connections,
    InvalidConnectionId,
)
from actors.state.documents import CONNECTIONS
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Documents, Write

OPEN = Observed("open", None, epoch=3, since=100.0, account="a", restarts=1, beat=130.0)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


@pytest.fixture
def registry(documents: Documents) -> Connections:
    return Connections(documents, clock=lambda: 50.0)


async def test_a_new_connection_shall_run(registry: Connections) -> None:
    made = await registry.create("shop", webhook="https://example.com/hook")
    assert made == await registry.get("shop")
    assert (made.engine, made.desired, made.generation, made.recover) == (
        "whatsmeow",
        "running",
        0,
        0,
    )
    assert (made.created_at, made.deleted, made.observed) == (50.0, False, None)
    with pytest.raises(ConnectionExists) as caught:
        await registry.create("shop")
    assert caught.value.deleting is False
    assert made == await registry.get("shop")


@pytest.mark.parametrize("connection", ["a", "0", "a-b_c", "x" * 64])
async def test_names(registry: Connections, connection: str) -> None:
    made = await registry.create(connection)
    assert made.name == connection
    assert made.id != connection


@pytest.mark.parametrize(
    "connection", ["", "A", "-a", "_a", "a.b", "a/b", "a b", "x" * 65, "é", "a\n", "{a}"]
)
async def test_no_ids(registry: Connections, connection: str) -> None:
    with pytest.raises(InvalidConnectionId):
        await registry.create(connection)
    assert await registry.get(connection) is None
    with pytest.raises(ConnectionNotFound):
        await registry.set_desired(connection, "stopped")


async def test_the_limit_holds_and_a_repeat_at_the_limit_is_a_conflict(
    documents: Documents,
) -> None:
    registry = Connections(documents, limit=Limit("MAX_CONNECTIONS", 2, "many", 60))
    await registry.create("a")
    await registry.create("b")
    with pytest.raises(LimitReached) as refused:
        await registry.create("c")
    assert refused.value.scope == "instance"
    with pytest.raises(ConnectionExists):
        await registry.create("b")


async def test_what_is_asked_for_is_counted_also_at_once(registry: Connections) -> None:
    await registry.create("shop", id="shop")
    await asyncio.gather(
        *(registry.raise_generation("shop") for _ in range(10)),
        *(registry.request_recovery("shop") for _ in range(7)),
        registry.set_desired("shop", "stopped"),
    )
    found = await registry.get("shop")
    assert found is not None
    assert (found.generation, found.recover, found.desired) == (10, 7, "stopped")


async def test_desired_and_observed_do_not_touch(
    registry: Connections, documents: Documents
) -> None:
    await registry.create("shop", id="shop")
    # A field of the root's own, which must survive too.
    await documents.set(CONNECTIONS, "shop", {"applied": {"generation": 0}}, merge=True)
    await asyncio.gather(
        registry.observe("shop", OPEN),
        registry.set_desired("shop", "logged_out"),
        registry.raise_generation("shop"),
    )
    found = await registry.get("shop")
    assert found is not None
    assert (found.desired, found.generation, found.observed) == ("logged_out", 1, OPEN)
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    assert document["applied"] == {"generation": 0}


async def test_a_deleted_connection_is_gone_for_users_and_there_for_the_root(
    registry: Connections,
) -> None:
    shop = (await registry.create("shop")).id
    await registry.create("desk")
    marked = await registry.delete(shop)
    assert (marked.deleted, marked.desired) == (True, "stopped")
    assert await registry.get("shop") is None
    assert await registry.get("shop", deleted=True) == marked
    assert [c.name for c in (await registry.list()).items] == ["desk"]
    assert [c.name for c in (await registry.list(deleted=True)).items] == ["desk", "shop"]
    for refused in (
        registry.set_desired(shop, "running"),
        registry.raise_generation(shop),
        registry.request_recovery(shop),
        registry.delete(shop),
    ):
        with pytest.raises(ConnectionNotFound):
            await refused
    with pytest.raises(ConnectionExists) as caught:
        await registry.create("shop")
    assert caught.value.deleting is True
    await registry.remove(shop)
    await registry.remove(shop)
    later = await registry.create("shop")
    assert later.deleted is False
    with pytest.raises(ValueError, match="not marked"):
        await registry.remove(later.id)


async def test_what_is_gone_stays_gone(registry: Connections) -> None:
    shop = (await registry.create("shop")).id
    await registry.delete(shop)
    await registry.remove(shop)
    assert await registry.observe(shop, OPEN) is False
    assert await registry.get("shop", deleted=True) is None


async def test_what_is_asked_of_a_deleted_connection_does_nothing_to_the_next(
    registry: Connections,
) -> None:
    former = (await registry.create("shop")).id
    await registry.delete(former)
    await registry.remove(former)
    later = await registry.create("shop")
    assert later.id != former
    for refused in (
        registry.set_desired(former, "stopped"),
        registry.raise_generation(former),
        registry.request_recovery(former),
        registry.delete(former),
    ):
        with pytest.raises(ConnectionNotFound):
            await refused
    assert await registry.observe(former, OPEN) is False
    await registry.remove(former)
    assert await registry.get(former) is None
    assert await registry.get("shop") == await registry.get(later.id) == later


async def test_a_root_that_stood_still_removes_nothing_of_the_next(
    registry: Connections, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = (await registry.create("shop")).id
    await registry.delete(former)
    batch, later = documents.batch, []

    async def slow(writes: Sequence[Write]) -> None:
        monkeypatch.setattr(documents, "batch", batch)
        await registry.remove(former)
        later.append(await registry.create("shop"))
        await batch(writes)

    monkeypatch.setattr(documents, "batch", slow)
    await registry.remove(former)
    assert [await registry.get("shop")] == later


async def test_a_connection_of_an_older_release_has_its_name_as_its_id(
    registry: Connections, documents: Documents
) -> None:
    await registry.create("shop", id="shop")
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    await documents.set(
        CONNECTIONS,
        "shop",
        {key: document[key] for key in document if key not in {"id", "incarnation"}},
    )
    found = await registry.get("shop")
    assert found is not None
    assert (found.id, found.name) == ("shop", "shop")
    assert (await registry.set_desired("shop", "stopped")).desired == "stopped"


async def test_listing_in_pages(registry: Connections) -> None:
    for name in ("c", "a", "b"):
        await registry.create(name)
    first, after = await registry.list(limit=2)
    rest, end = await registry.list(limit=2, after=after)
    assert [c.name for c in (*first, *rest)] == ["a", "b", "c"]
    assert end is None


@pytest.mark.parametrize(
    ("known", "new", "wins"),
    [
        (None, Observed("open"), True),
        (OPEN, Observed("reconnecting", "network", epoch=3, since=101.0, beat=130.0), True),
        (OPEN, Observed("connecting", epoch=4, since=99.0), True),  # the epoch before the clock
        (OPEN, Observed("open", epoch=2, since=900.0, beat=900.0), False),  # a stale owner
        (OPEN, Observed("connecting", epoch=3, since=99.0, beat=130.0), False),  # overtaken
        (OPEN, Observed("open", epoch=3, since=100.0, beat=160.0), True),
        (OPEN, Observed("open", epoch=3, since=100.0, beat=100.0), False),
        (OPEN, OPEN, True),
    ],
)
async def test_the_latest_epoch_and_since_win(
    registry: Connections, known: Observed | None, new: Observed, wins: bool
) -> None:
    await registry.create("shop", id="shop")
    if known is not None:
        assert await registry.observe("shop", known) is True
    assert await registry.observe("shop", new) is wins
    found = await registry.get("shop")
    assert found is not None
    assert found.observed == (new if wins else known)
