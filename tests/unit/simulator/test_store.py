"""The store: nothing leaves before its commit, and nothing of a failed transaction stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from simulator.store import Store
from simulator.store_tables import VERSION

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.db"


def test_actions_run_after_the_outermost_commit(path: Path) -> None:
    store, other = Store(path), Store(path)
    seen: list[int] = []
    with store.transaction():
        with store.transaction():
            store.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')")
            store.after_commit(lambda: seen.append(other.number("SELECT count(*) FROM meta")))
        assert seen == []
    assert seen == [1]
    store.close()
    other.close()


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    store = Store(path)
    forgotten: list[bool] = []
    left: list[bool] = []
    store.on_rollback(lambda: forgotten.append(True))

    def fail() -> None:
        with store.transaction():
            store.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')")
            store.after_commit(lambda: left.append(True))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert store.number("SELECT count(*) FROM meta") == 0
    assert (forgotten, left) == ([True], [])
    with store.transaction():
        store.after_commit(lambda: left.append(False))
    assert left == [False]
    store.close()


def test_a_secret_stays_the_same(path: Path) -> None:
    store = Store(path)
    first = store.secret("root", lambda: b"one")
    store.close()
    again = Store(path)
    assert again.secret("root", lambda: b"another") == first == b"one"
    again.close()


def test_a_failed_part_leaves_the_rest(path: Path) -> None:
    store = Store(path)
    forgotten: list[bool] = []
    left: list[str] = []
    store.on_rollback(lambda: forgotten.append(True))

    def fail() -> None:
        with store.savepoint():
            store.count("1", "failed")
            store.after_commit(lambda: left.append("failed"))
            raise RuntimeError("broken")

    with store.transaction():
        with store.savepoint():
            store.count("1", "done")
            store.after_commit(lambda: left.append("done"))
        with pytest.raises(RuntimeError, match="broken"):
            fail()
        assert left == []
        store.count("1", "done")
    assert (store.counted("1", "done"), store.counted("1", "failed")) == (2, 0)
    assert (left, forgotten) == (["done"], [True])
    store.close()


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1])
def test_a_file_of_another_version_is_left_as_it_is(path: Path, version: int) -> None:
    store = Store(path)
    store.execute(f"PRAGMA user_version = {version}")
    store.close()
    with pytest.raises(ValueError, match="remove it"):
        Store(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (version,)
