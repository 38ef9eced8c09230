"""The committer: writes share a commit, one that fails spoils no other, a lost file is an error."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

from actors.runtime import sqlite_writer
from actors.runtime.sqlite_writer import SqliteWriter, open_database
from actors.state.documents import StoreAway
from actors.state.sqlite.statements import TABLE
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from actors.state.documents import Document


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store" / "state.db"


@pytest.fixture
def committer(file: Path) -> Iterator[SqliteWriter]:
    file.parent.mkdir()
    made = SqliteWriter(
        file, ["CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)"], away=StoreAway
    )
    yield made
    made.close()


def insert(number: int) -> Callable[[sqlite3.Connection], None]:
    def run(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO t VALUES (?)", (number,))

    return run


def numbers(file: Path) -> list[int]:
    database = sqlite3.connect(file)
    try:
        return [n for (n,) in database.execute("SELECT n FROM t ORDER BY n")]
    finally:
        database.close()


def test_every_commit_reaches_the_disk(file: Path) -> None:
    file.parent.mkdir()
    database = open_database(file, [TABLE])
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file.stat().st_mode & 0o777 == 0o600
    database.close()


def test_writes_that_wait_share_one_commit(committer: SqliteWriter, file: Path) -> None:
    began, go = threading.Event(), threading.Event()
    commits: list[str] = []

    def hold(database: sqlite3.Connection) -> None:
        database.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        began.set()
        go.wait(5)

    held = committer.submit(hold, writes=True)
    assert began.wait(5)
    futures = [committer.submit(insert(n), writes=True) for n in range(50)]
    go.set()
    for future in (held, *futures):
        future.result(5)
    assert commits == ["COMMIT", "COMMIT"]
    assert numbers(file) == list(range(50))


def test_a_job_that_raises_is_undone_alone(committer: SqliteWriter, file: Path) -> None:
    def half(database: sqlite3.Connection) -> None:
        database.execute("INSERT INTO t VALUES (100)")
        raise LookupError("decided against it")

    began = threading.Event()
    committer.submit(lambda _: began.wait(5), writes=True)
    first = committer.submit(insert(1), writes=True)
    bad = committer.submit(half, writes=True)
    twice = committer.submit(insert(1), writes=True)  # violates the key: its own failure
    last = committer.submit(insert(2), writes=True)
    began.set()
    first.result(5)
    last.result(5)
    with pytest.raises(LookupError):
        bad.result(5)
    with pytest.raises(sqlite3.IntegrityError):
        twice.result(5)
    assert numbers(file) == [1, 2]


def test_an_error_of_the_file_undoes_the_whole_group_and_reaches_all(
    committer: SqliteWriter, file: Path
) -> None:
    def full(database: sqlite3.Connection) -> None:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
        database.execute("CREATE TABLE big (x)")
        database.execute("INSERT INTO big VALUES (zeroblob(1000000))")

    began = threading.Event()
    committer.submit(lambda _: began.wait(5), writes=True).add_done_callback(lambda _: None)
    beside = committer.submit(insert(1), writes=True)
    failing = committer.submit(full, writes=True)
    began.set()
    with pytest.raises(StoreAway, match="SQLITE_FULL"):
        failing.result(5)
    with pytest.raises(StoreAway, match="SQLITE_FULL"):
        beside.result(5)
    assert numbers(file) == []
    committer.submit(insert(2), writes=True).result(5)  # the file was opened afresh
    assert numbers(file) == [2]


def test_a_read_sees_every_write_that_was_answered(committer: SqliteWriter) -> None:
    def count(database: sqlite3.Connection) -> Any:
        return database.execute("SELECT count(*) FROM t").fetchone()[0]

    for n in range(20):
        committer.submit(insert(n), writes=True).result(5)
        assert committer.submit(count, writes=False).result(5) == n + 1


def test_closing_finishes_what_was_asked(file: Path) -> None:
    file.parent.mkdir()
    committer = SqliteWriter(
        file, ["CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)"], away=StoreAway
    )
    futures = [committer.submit(insert(n), writes=True) for n in range(500)]
    committer.close()
    committer.close()
    for future in futures:
        future.result(0)
    assert numbers(file) == list(range(500))
    with pytest.raises(StoreAway):
        committer.submit(insert(1), writes=True)


async def test_a_store_without_a_directory_is_away_and_comes_back(file: Path) -> None:
    documents = SqliteDocuments(file)
    try:
        for call in (documents.get("things", "x"), documents.set("things", "x", {})):
            with pytest.raises(StoreAway):
                await call
        file.parent.mkdir()
        await documents.set("things", "x", {"n": 1})
        assert await documents.get("things", "x") == {"id": "x", "n": 1}
    finally:
        await documents.close()


def test_a_file_that_is_none_is_away_and_left_as_it_is(file: Path) -> None:
    content = b"not a database, and quite long enough to be looked at" * 100
    file.parent.mkdir()
    file.write_bytes(content)
    committer = SqliteWriter(file, [TABLE], away=StoreAway)
    with pytest.raises(StoreAway, match="SQLITE_NOTADB"):
        committer.submit(lambda database: database.execute("SELECT 1"), writes=False).result(5)
    committer.close()
    assert file.read_bytes() == content


async def test_a_lock_that_stays_is_away_and_not_for_ever(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.sqlite_writer.BUSY_SECONDS", 0.1)
    file.parent.mkdir()
    documents = SqliteDocuments(file)
    await documents.set("things", "x", {"n": 1})
    newcomer = SqliteDocuments(file)
    locker = sqlite3.connect(file, isolation_level=None)
    try:
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAway, match="SQLITE_BUSY"):
            await documents.set("things", "x", {"n": 2})
        for reader in (documents, newcomer):  # readers go on, also those that open it now
            assert await reader.get("things", "x") == {"id": "x", "n": 1}
        locker.execute("ROLLBACK")
        await documents.set("things", "x", {"n": 3})
        assert await documents.get("things", "x") == {"id": "x", "n": 3}
    finally:
        locker.close()
        await newcomer.close()
        await documents.close()


async def test_a_disk_that_hangs_is_away(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.runtime.sqlite_writer.WRITE_SECONDS", 0.05)
    file.parent.mkdir()
    documents = SqliteDocuments(file)
    hang = threading.Event()

    def wait(_: Document | None) -> None:
        hang.wait(5)

    try:
        with pytest.raises(StoreAway, match="in time"):
            await documents.change("things", "x", wait)
    finally:
        hang.set()
        await documents.close()


async def test_jobs_that_wait_for_a_disk_that_hangs_are_bounded(
    committer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers that gave up leave nothing behind, and beyond `WAITING_LIMIT` jobs are refused at once."""
    monkeypatch.setattr(sqlite_writer, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(sqlite_writer, "WAITING_LIMIT", 1000)
    began, go = threading.Event(), threading.Event()

    def hang(_: sqlite3.Connection) -> None:
        began.set()
        go.wait(60)

    hung = committer.submit(hang, writes=True)
    await asyncio.to_thread(began.wait, 5)
    kept: WeakSet[Words] = WeakSet()

    async def ask() -> str:
        words = Words()
        kept.add(words)
        with pytest.raises(StoreAway) as refused:
            await committer.call(lambda _: words.text, writes=False)
        return str(refused.value)

    try:
        reasons = Counter(await asyncio.gather(*(ask() for _ in range(2000))))
        gc.collect()
        assert (len(kept), reasons) == (0, {"busy": 1000, "no answer in time": 1000})
    finally:
        go.set()
    await asyncio.wrap_future(hung)
    await committer.call(insert(1), writes=True)


class Words:
    """Something that a job holds."""

    text = "w"
