"""A session file of version 30, the oldest that is taken over: it opens, and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.session.messages.message_secrets import MessageSecret
from actors.connection.session.schema import BASE_VERSION
from actors.connection.session.schema_changes import SCHEMA_CHANGES, VERSION
from actors.connection.session.session import Session, SessionDamaged
from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from collections.abc import Mapping

DUMP = Path(__file__).with_name("version_30.sql").read_text()
"""A dump of a file that all 30 versions of the schema made, with rows in each table."""


@pytest.fixture
def former(tmp_path: Path) -> Path:
    path = tmp_path / "session.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(DUMP)
    return path


def rows(path: Path, columns: Mapping[str, str]) -> dict[str, list[Any]]:
    """The rows of each table, in these of its columns."""
    with closing(sqlite3.connect(path)) as file:
        return {
            table: file.execute(f"SELECT {names} FROM {table}").fetchall()
            for table, names in columns.items()
        }


def columns(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as file:
        tables = file.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: ", ".join(row[1] for row in file.execute(f"PRAGMA table_info({name})"))
            for (name,) in tables
        }


def structure(path: Path) -> dict[tuple[str, str], list[Any]]:
    """Columns, keys and indexes of a file, without the wording of its statements."""
    found = {}
    with closing(sqlite3.connect(path)) as file:
        for name, sql in file.execute("SELECT name, sql FROM sqlite_schema").fetchall():
            for pragma in ("table_list", "table_xinfo", "foreign_key_list", "index_xinfo"):
                found[name, pragma] = file.execute(f"PRAGMA {pragma}({name})").fetchall()
            found[name, "WHERE"] = (sql or "").partition(" WHERE ")[2].split()
    return found


async def test_nothing_is_lost(former: Path) -> None:
    names = columns(former)
    before = rows(former, names)
    assert all(before.values()), "a table without rows proves nothing"
    with closing(Session.open(former, 9, clock=lambda: 1_800_000_000.0)) as session:
        assert [one.message_id for one in session.inbox.pending("message", 9)] == ["KEPT"]
        assert session.linked_device.has_keys
        assert session.names.renamings(0, 9)[0].new == ALICE
        assert session.secrets.find(ALICE, ALICE, "KEPT") == MessageSecret(bytes(32))
        assert session.sent.plaintext(ALICE, "SENT") == b"text"
        assert session.account_link.first_at == 1_800_000_000
    after = rows(former, names)
    assert after.pop("file")[0][1] == 9
    assert before.pop("file")[0][1] == 3
    assert after == before


def test_it_has_the_structure_of_a_new_file(former: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    for path in (former, new):
        Session.open(path, 9).close()
    assert structure(former) == structure(new)
    assert sorted(SCHEMA_CHANGES) == list(range(BASE_VERSION + 1, VERSION + 1))


def test_a_file_of_an_unreleased_build_is_left_as_it_is(former: Path) -> None:
    with closing(sqlite3.connect(former)) as older:
        older.execute(f"PRAGMA user_version={BASE_VERSION - 1}")
    content = former.read_bytes()
    with pytest.raises(SessionDamaged, match="link the account anew"):
        Session.open(former, 9)
    assert former.read_bytes() == content
