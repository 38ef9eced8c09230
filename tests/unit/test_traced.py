"""Secrets that the tests of traces search for: the keys, tokens, ids and addresses in a database."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from tests import traced
from tests.unit.test_signal_records import GOLDEN, OF_A_SENDER_KEY, OF_A_SESSION

if TYPE_CHECKING:
    from pathlib import Path

KEY, ENCODED, HEXADECIMAL = b"k" * 32, bytes(range(32)), bytes(range(100, 116))


def kept(directory: Path, table: str, column: str, value: str | bytes) -> set[str | bytes]:
    """The values that are found in a database with this one."""
    file = directory / f"{table}.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"CREATE TABLE {table} ({column} BLOB)")
        database.execute(f"INSERT INTO {table} VALUES (?)", (value,))
    return set(traced.values(file))


def test_values_are_found_in_columns_and_within_json(tmp_path: Path) -> None:
    file = tmp_path / "session.db"
    document = {
        "15550100009@s.whatsapp.net": {"noise": base64.b64encode(ENCODED).decode()},
        "tokens": [HEXADECIMAL.hex(), "state", 7],
    }
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE one (key BLOB, address TEXT, word TEXT, number INTEGER)")
        database.execute("CREATE TABLE two (document TEXT, packed BLOB)")
        row = (KEY, "15550100002:3@lid", "pending_state", 12)
        database.execute("INSERT INTO one VALUES (?, ?, ?, ?)", row)
        packed = json.dumps({"id": "3EB0AAAAAAAAAAAAAA01"}).encode()
        database.execute("INSERT INTO two VALUES (?, ?)", (json.dumps(document), packed))
    found = set(traced.values(file))
    assert {KEY, ENCODED, HEXADECIMAL} <= found
    assert {"15550100002:3@lid", "15550100002", "15550100009", "3EB0AAAAAAAAAAAAAA01"} <= found
    assert {
        one for one in found if isinstance(one, str) and not any(map(str.isdigit, one))
    } == set()


@pytest.mark.parametrize(
    ("table", "column", "record", "count"),
    [
        ("whatsmeow_sessions", "session", "sessions", 3 * OF_A_SESSION),
        ("whatsmeow_sender_keys", "sender_key", "sender keys", 2 * OF_A_SENDER_KEY),
    ],
)
def test_each_key_of_a_record_of_the_program_is_found(
    tmp_path: Path, table: str, column: str, record: str, count: int
) -> None:
    found = kept(tmp_path, table, column, GOLDEN[record])
    assert len(found) == count
    assert {len(key) for key in found} == {16}


def test_a_record_of_another_form_is_no_value_without_keys(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="form 02"):
        kept(tmp_path, "whatsmeow_sessions", "session", b"\2" + GOLDEN["sessions"][1:])


def test_keys_are_found_within_messages_and_behind_their_type(tmp_path: Path) -> None:
    inner = BytesValue(value=b"\5" + ENCODED).SerializeToString()
    outer = BytesValue(value=KEY).SerializeToString() + inner
    assert {KEY, ENCODED} <= kept(tmp_path, "sent", "plaintext", outer)
    nested = BytesValue(value=inner).SerializeToString()
    assert ENCODED in kept(tmp_path, "nested", "plaintext", nested)


def test_base64_is_read_in_both_alphabets(tmp_path: Path) -> None:
    key = b"\xfb\xff" * 16
    for name, encoded in (("one", base64.b64encode(key)), ("two", base64.urlsafe_b64encode(key))):
        assert key in kept(tmp_path, name, "word", encoded.decode())
