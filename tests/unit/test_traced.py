"""Secrets that the tests of traces search for: the keys, tokens, ids and addresses in a database."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests import traced

if TYPE_CHECKING:
    from pathlib import Path

KEY, ENCODED, HEXADECIMAL = b"k" * 32, bytes(range(32)), bytes(range(100, 116))


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
