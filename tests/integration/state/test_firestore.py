"""Firestore as a store that is away, slow, or over its quota: noticed in bounded time, and healed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.runtime.connection_options import ConnectionOptions
from actors.state.caches.local_copies import LocalCopy
from actors.state.connection_document import Observed
from actors.state.connections import Connections
from actors.state.documents import MESSAGES, Order, StoreAway, Where, Write
from actors.state.firestore import store
from actors.state.open_store import open_documents
from supervision.registry import Registry
from supervision.restarts.policy import Intensity, RestartRecords
from supervision.restarts.restart_budgets import RestartBudgets
from tests.processes.firestore import Firestore
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.state.documents import Document, Documents


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    with Firestore(tmp_path_factory.mktemp("firestore")) as started:
        yield started


@pytest.fixture
async def documents(
    server: Firestore, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Documents]:
    database = f"d{abs(hash(request.node.name)) % 10**12}"
    settings = resolve_settings(
        data=tmp_path, firestore_emulator_host=server.host, firestore_database=database
    )
    opened = open_documents(settings)
    yield opened
    if not server.running:
        server.start()
    server.heal()
    await opened.close()


async def answering(documents: Documents) -> None:
    async def answers() -> bool:
        try:
            await documents.get("things", "x")
        except StoreAway:
            return False
        return True

    async with asyncio.timeout(10):
        while not await answers():  # noqa: ASYNC110 - a store tells nobody that it is back
            await asyncio.sleep(0.05)


async def test_a_server_far_away_is_reached_at_the_first_call(
    server: Firestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request takes half a second to it, as the greeting of a new connection may."""
    monkeypatch.setattr(
        "actors.state.firestore.store.FIRESTORE_SECONDS", 30.0
    )  # there and back, many times
    ways: list[asyncio.Task[None]] = []
    ends: list[asyncio.StreamWriter] = []

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(2**16):
            await asyncio.sleep(0.5)
            target.write(data)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        ends.extend((back, writer))
        ways.extend(map(asyncio.ensure_future, (carry(reader, back), carry(there, writer))))

    async with await asyncio.start_server(through, "127.0.0.1", 0) as way:
        port = way.sockets[0].getsockname()[1]
        far = resolve_settings(data=tmp_path, firestore_emulator_host=f"127.0.0.1:{port}")
        documents = open_documents(far)
        assert await documents.get("things", "x") is None
        await documents.close()
        for way_back in ways:
            way_back.cancel()
        for end in ends:
            end.close()
            await end.wait_closed()


async def test_a_server_that_is_away_is_noticed_at_once_and_found_again(
    server: Firestore, documents: Documents
) -> None:
    await documents.set("things", "x", {"n": 1})
    server.kill()
    began = time.monotonic()
    for call in (
        documents.get("things", "x"),
        documents.set("things", "x", {"n": 2}),
        documents.create("things", "y", {}),
        documents.change("things", "x", lambda found: found),
        documents.query("things"),
    ):
        with pytest.raises(StoreAway):
            await call
    assert time.monotonic() - began < 5 * store.FIRESTORE_SECONDS
    server.start()
    began = time.monotonic()
    await answering(documents)
    assert await documents.get("things", "x") == {"id": "x", "n": 1}


async def test_a_server_that_hangs_is_away_within_bounded_time(
    server: Firestore, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FIRESTORE_SECONDS", 0.5)
    server.strike("frozen")
    began = time.monotonic()
    with pytest.raises(StoreAway, match="no answer"):
        await documents.set("things", "x", {})
    assert time.monotonic() - began < 8
    assert server.heal() == 1
    await documents.set("things", "x", {})


async def test_after_an_exceeded_quota_nothing_is_asked_for_a_while(
    server: Firestore, documents: Documents
) -> None:
    await documents.set("things", "x", {})
    server.strike("exhausted")
    with pytest.raises(StoreAway, match="quota"):
        await documents.get("things", "x")
    for _ in range(50):
        with pytest.raises(StoreAway, match="quota"):
            await documents.get("things", "x")
    assert server.heal() == 1, "it was asked while it had refused"
    await answering(documents)


async def test_what_collides_is_tried_again_as_often_as_time_allows(
    server: Firestore, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(document: Document | None) -> Document:
        return {"n": (document or {"n": 0})["n"] + 1}

    server.strike("aborted", methods=["Commit"], times=3)
    assert await documents.change("things", "x", count) == {"id": "x", "n": 1}
    assert server.heal() == 3
    monkeypatch.setattr(store, "FIRESTORE_SECONDS", 1.0)
    server.strike("aborted", methods=["Commit"])
    with pytest.raises(StoreAway):
        await documents.change("things", "x", count)
    assert 1 < server.heal() <= store.TRANSACTION_TRIES
    assert await documents.get("things", "x") == {"id": "x", "n": 1}


async def test_an_answer_that_got_lost_is_not_asked_for_again(
    server: Firestore, documents: Documents
) -> None:
    """A change that was applied twice would count double: only the caller knows what to do."""
    server.strike("lost", methods=["Commit"])
    with pytest.raises(StoreAway):
        await documents.change("things", "x", lambda found: {"n": (found or {"n": 0})["n"] + 1})
    assert server.heal() == 1
    assert await documents.get("things", "x") == {"id": "x", "n": 1}


async def test_killed_in_the_middle_of_a_batch_it_has_nothing_of_it(
    server: Firestore, documents: Documents
) -> None:
    writes = [Write("set", "things", f"{n}", {"n": n}) for n in range(100)]
    server.strike("killed")
    with pytest.raises(StoreAway):
        await documents.batch(writes)
    assert server.wait() == -9
    server.start()
    await answering(documents)
    assert (await documents.query("things")).items == []
    await documents.batch(writes)
    assert len((await documents.query("things")).items) == 100


async def test_what_does_not_change_is_not_written(server: Firestore, documents: Documents) -> None:
    await documents.set("things", "x", {"n": 1, "at": 1})
    server.counts(reset=True)
    await documents.change("things", "x", lambda _: None)
    await documents.change("things", "x", lambda found: found)
    await documents.batch(
        [
            Write("create", "things", "x", {"n": 2}),
            Write("advance", "things", "x", {"n": 1, "at": 1}, by=("at",)),
            Write("merge", "things", "x", {"n": 1}),
        ]
    )
    assert server.counts()["writes"] == 0
    # As numbers they are the same; as documents they are not.
    await documents.change("things", "x", lambda _: {"n": 1.0, "at": True})
    assert server.counts()["writes"] == 1
    assert await documents.get("things", "x") == {"id": "x", "n": 1.0, "at": True}


OPTIONS = ConnectionOptions(
    show_online=True,
    proxy="socks5://shop:s3cret@proxy.example:1080",
    reject_calls=True,
    reject_calls_text="No calls",
)


async def test_settings_of_a_connection_are_what_they_were_after_a_restart(
    documents: Documents, tmp_path: Path
) -> None:
    """A write into its document meanwhile changes nothing of that; so for roots that come with Firestore away."""
    connections = Connections(documents)
    await connections.create("shop", id="shop", options=OPTIONS)
    await connections.observe("shop", Observed("open", epoch=2))
    budgets = RestartBudgets(RestartRecords(Intensity(10, 10.0), 0.5, 60.0), documents)
    copy = LocalCopy(tmp_path / "copy.json")
    assert await Registry(documents, budgets, copy).refresh()
    found = await connections.get("shop")
    assert found is not None
    assert found.options == OPTIONS
    host = f"127.0.0.1:{free_port()}"
    away = open_documents(resolve_settings(data=tmp_path, firestore_emulator_host=host))
    cold = Registry(
        away, RestartBudgets(RestartRecords(Intensity(10, 10.0), 0.5, 60.0), away), copy
    )
    assert not await cold.refresh()
    assert cold.wanted["shop"].options == OPTIONS
    await away.close()
    changed = (await connections.configure("shop", proxy=None)).options
    assert changed == replace(OPTIONS, proxy=None)


async def test_every_listing_of_messages_has_its_indexes(documents: Documents) -> None:
    values = {"connection": "shop", "chat": "c", "direction": "in", "status": "received"}
    await documents.set(MESSAGES, "x", {**values, "at": 1})
    for size in range(len(values) + 1):
        for named in combinations(values, size):
            where = [Where(name, "==", values[name]) for name in named]
            for descending in (False, True):
                order = [Order("at", descending=descending)]
                found = await documents.query(MESSAGES, where=where, order=order, limit=1)
                assert [item["id"] for item in found.items] == ["x"]


async def test_a_query_without_an_index_is_as_if_away(documents: Documents) -> None:
    await documents.set(MESSAGES, "x", {"connection": "a", "at": 1})
    served = await documents.query(
        MESSAGES, where=[Where("connection", "==", "a")], order=[Order("at", descending=True)]
    )
    assert len(served.items) == 1
    with pytest.raises(StoreAway, match="index"):
        await documents.query(
            MESSAGES, where=[Where("connection", "==", "a")], order=[Order("text")]
        )


async def test_a_document_that_is_too_large_is_the_callers_mistake(documents: Documents) -> None:
    with pytest.raises(ValueError, match="does not take"):
        await documents.set("things", "x", {"text": "x" * 2**20})
    await asyncio.gather(*(documents.set("things", "x", {"n": n}) for n in range(20)))
