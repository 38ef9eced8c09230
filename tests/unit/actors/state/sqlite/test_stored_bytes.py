"""The counts of a store's bytes by connection: those of its documents, after any write, deletion or death."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.connections import Connections
from actors.state.documents import CHATS, DELIVERIES, EVENT_LOG, EVENTS, HEAD, MESSAGES, Write
from actors.state.events.deliveries import Delivery
from actors.state.events.outbox import Head, unpacked
from actors.state.sqlite.statements import TABLE
from actors.state.sqlite.store import SqliteDocuments
from actors.state.sqlite.stored_bytes import DOCUMENT_OVERHEAD, EVENT_OVERHEAD, read
from tests.integration.gateway.webhooks.stored_messages import store_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[5]
SHOP, OTHER = "shop--T00000000000", "other--T00000000000"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    """One in which events are wanted."""
    opened = SqliteDocuments(tmp_path / "state.db")
    await opened.set(EVENT_LOG, HEAD, Head(0, ("wh_1",)).document)
    yield opened
    await opened.close()


def counted(file: Path) -> Counter[str]:
    """The sums over the documents in a store, each looked at."""
    sums: Counter[str] = Counter({"": 0})
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT collection, data FROM documents").fetchall()
    for collection, text in rows:
        data, size = json.loads(text), len(text.encode()) + DOCUMENT_OVERHEAD
        if collection in {MESSAGES, CHATS}:
            sums[data.get("connection") or ""] += size
        elif collection == DELIVERIES:
            sums[json.loads(data["event"])["event"]["connection"] or ""] += size
        elif collection == EVENTS:
            for event in json.loads(data["events"]):
                written = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                sums[event["connection"] or ""] += len(written.encode()) + EVENT_OVERHEAD
    return sums


def used(file: Path) -> Counter[str]:
    return Counter(read(file).used)


async def test_documents_events_and_deliveries_count_for_their_connection(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    assert read(file).used == {"": 0}
    await store_messages(store, 0, 30, SHOP, more="ã€" * 50)
    await store_messages(store, 30, 10, OTHER)
    (pack, *_) = (await store.query(EVENTS)).items
    for told in unpacked(pack):
        await store.batch([Delivery("wh_1", told, "waiting", "lane").write])
    await store.set(CHATS, "c1", {"connection": SHOP, "at": 1.0})
    assert used(file) == counted(file)
    assert used(file)[SHOP] > used(file)[OTHER] > 0


async def test_any_change_is_followed_by_the_counts(store: SqliteDocuments, tmp_path: Path) -> None:
    file, chance = tmp_path / "state.db", random.Random(7)
    await store_messages(store, 0, 40, SHOP)
    await store_messages(store, 40, 40, OTHER)
    there = [each["id"] for each in (await store.query(MESSAGES)).items]
    for _ in range(200):
        name, text = chance.choice(there), "w" * chance.randrange(500)
        fields: dict[str, Any] = {"text": text, "connection": chance.choice((SHOP, OTHER))}
        op = chance.choice(("set", "merge", "create", "delete", "advance"))
        by = ("revision",) if op == "advance" else ()
        data = {} if op == "delete" else {**fields, "revision": chance.randrange(3)}
        await store.batch([Write(op, MESSAGES, name, data, by=by)])  # type: ignore[arg-type]
    assert used(file) == counted(file)


async def test_what_retention_deletes_counts_no_more(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    await store_messages(store, 0, 50, SHOP)
    for collection in (MESSAGES, EVENTS):
        items = (await store.query(collection)).items
        await store.batch([Write("delete", collection, each["id"]) for each in items])
    found = read(tmp_path / "state.db")
    assert found.used == {"": 0}, "and no row is left of the connection"
    assert found.free > 0, "the file keeps its size, and has room in it"


async def test_a_write_that_is_refused_counts_for_nothing(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    def breaks(_: object) -> None:
        raise ValueError("not this one")

    new = Write("set", MESSAGES, "m1", {"connection": SHOP})
    with pytest.raises(ValueError, match="not this one"):
        await store.batch([new, Write("change", MESSAGES, "m2", change=breaks)])
    assert read(tmp_path / "state.db").used == {"": 0}


async def test_documents_that_cannot_be_read_count_for_nobody(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    await store.set(EVENTS, "0", {"first": 1, "last": 1, "at": 1.0, "events": "[{"})
    await store.set(EVENTS, "1", {"first": 2, "last": 2, "at": 1.0, "events": '["x", 7, {"a": 1}]'})
    await store.set(DELIVERIES, "d", {"webhook": "wh_1", "event": "{{", "at": 1.0})
    assert set(read(tmp_path / "state.db").used) == {""}
    for collection, name in ((EVENTS, "0"), (EVENTS, "1"), (DELIVERIES, "d")):
        await store.delete(collection, name)
    assert read(tmp_path / "state.db").used == {"": 0}


async def test_a_store_of_an_older_release_is_counted_once(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(TABLE)
        rows = [(MESSAGES, f"m{n}", json.dumps({"connection": SHOP, "n": n})) for n in range(9)]
        database.executemany("INSERT INTO documents VALUES (?, ?, ?)", rows)
        database.commit()
    for _ in range(2):
        opened = SqliteDocuments(file)
        await opened.delete(MESSAGES, "m0")
        await opened.close()
        assert used(file) == counted(file)
        assert used(file)[SHOP] > 0


async def test_connections_that_were_deleted_are_not_living(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    registry = Connections(store)
    for name, identity in (("shop", SHOP), ("other", OTHER)):
        await registry.create(name, id=identity)
    await registry.delete(SHOP)
    assert read(tmp_path / "state.db").living == {OTHER}


def test_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="SQLITE"):
        read(tmp_path / "state.db")
    (tmp_path / "state.db").write_text("no database" * 100)
    with pytest.raises(OSError, match="SQLITE"):
        read(tmp_path / "state.db")


def test_a_writer_that_is_killed_leaves_them_right(tmp_path: Path) -> None:
    child = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from actors.state.sqlite.store import SqliteDocuments\n"
        "from tests.integration.gateway.webhooks.stored_messages import store_messages\n"
        "async def main():\n"
        "    store = SqliteDocuments(Path(sys.argv[1]))\n"
        "    for number in range(0, 10**6, 20):\n"
        "        await store_messages(store, number, 20)\n"
        "        print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    file = tmp_path / "state.db"

    async def kill() -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", child, str(file)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        for _ in range(5):
            assert await process.stdout.readline()
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    asyncio.run(kill())
    assert used(file) == counted(file)
    assert used(file)[SHOP] > 0
