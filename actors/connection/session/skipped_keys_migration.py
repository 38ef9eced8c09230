"""Moves skipped message keys of older session files into the rows of schema version 19, resumable after a crash.

Up to version 18 skipped keys were in the text of a session and in a blob of a sender key. Each share of the move
is a transaction of its own, and one that was cut short goes on at the next opening: the column `skipped` of
`sender_keys` is there until all is moved.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

SESSIONS: Final = 20
"""Sessions in a transaction, of up to half a megabyte each."""

SENDER_KEYS: Final = 100
"""Sender keys in a transaction, of up to 72 kB each."""

_KEPT_BYTES: Final = 4 + 32


def move_skipped_keys(writer: sqlite3.Connection, check_epoch: Callable[[], None]) -> None:
    """Move all that is left. `check_epoch` raises where the file belongs to another owner."""
    if not any(row[1] == "skipped" for row in writer.execute("PRAGMA table_info(sender_keys)")):
        return
    for move in (_move_sessions, _move_sender_keys, _finish):
        last: int | None = 0
        while last is not None:
            writer.execute("BEGIN IMMEDIATE")
            try:
                check_epoch()
                last = move(writer, last)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise


def _move_sessions(writer: sqlite3.Connection, last: int) -> int | None:
    rows = writer.execute(
        "SELECT id, state FROM ratchets WHERE id > ?"
        " AND instr(state, 'skipped_message_keys') > 0 ORDER BY id LIMIT ?",
        (last, SESSIONS),
    ).fetchall()
    for ratchet, text in rows:
        state = json.loads(text)
        former = state["ratchet"]
        state["ratchet"] = former["diffie_hellman_ratchet"]
        keys = [
            (ratchet, _bytes(one["ratchet_pub"]), one["index"], _bytes(one["message_key"]))
            for one in former["skipped_message_keys"]
        ]
        writer.executemany(
            "INSERT INTO skipped_keys (ratchet, ratchet_key, counter, seed) VALUES (?, ?, ?, ?)",
            keys,
        )
        writer.execute(
            "UPDATE ratchets SET state = ?, peer_key = ?, kept = ? WHERE id = ?",
            (
                json.dumps(state, separators=(",", ":"), ensure_ascii=False),
                bytes.fromhex(state["peer_keys"][0]),
                len(keys),
                ratchet,
            ),
        )
    return rows[-1][0] if rows else None


def _move_sender_keys(writer: sqlite3.Connection, last: int) -> int | None:
    rows = writer.execute(
        "SELECT number, skipped FROM sender_keys WHERE number > ? AND length(skipped) > 0"
        " ORDER BY number LIMIT ?",
        (last, SENDER_KEYS),
    ).fetchall()
    for number, blob in rows:
        keys = list(_sender_keys(number, blob))
        writer.executemany(
            "INSERT INTO skipped_sender_keys (sender_key, iteration, seed) VALUES (?, ?, ?)", keys
        )
        writer.execute(
            "UPDATE sender_keys SET skipped = x'', kept = ? WHERE number = ?", (len(keys), number)
        )
    return rows[-1][0] if rows else None


def _sender_keys(number: int, blob: bytes) -> Iterable[tuple[int, int, bytes]]:
    for start in range(0, len(blob), _KEPT_BYTES):
        one = blob[start : start + _KEPT_BYTES]
        yield number, int.from_bytes(one[:4], "big"), one[4:]


def _finish(writer: sqlite3.Connection, _: int) -> None:
    writer.execute("ALTER TABLE sender_keys DROP COLUMN skipped")


def _bytes(text: Any) -> bytes:
    # The library's JSON has a character for each byte.
    return str(text).encode("latin-1")
