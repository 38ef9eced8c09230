"""Records in the media ledger (SQLite) with which files messages were accepted, until none of these messages waits.

`ledger` calls these functions within its transactions. `use_times` has when a message was last known to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS uses (
        sha256 TEXT NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (sha256, message)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS use_times (
        sha256 TEXT NOT NULL,
        message TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (sha256, message)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS use_times_at ON use_times (at)",
    """CREATE TRIGGER IF NOT EXISTS use_gone AFTER DELETE ON uses BEGIN
        DELETE FROM use_times WHERE sha256 = OLD.sha256 AND message = OLD.message;
    END""",
)


class Use(NamedTuple):
    """A message of the API, by its id, and the file that it was accepted with."""

    sha256: str
    message: str


def add(database: sqlite3.Connection, use: Use, now: float) -> None:
    """Note that a message is about to be accepted with a file."""
    database.execute("INSERT OR IGNORE INTO uses VALUES (?, ?)", use)
    database.execute("INSERT OR REPLACE INTO use_times VALUES (?, ?, ?)", (*use, now))


def older(database: sqlite3.Connection, than: float, limit: int) -> list[Use]:
    """Uses whose messages were last known to wait before then, the oldest first."""
    rows = database.execute(
        "SELECT sha256, message FROM use_times WHERE at < ? ORDER BY at LIMIT ?", (than, limit)
    )
    return [Use(*row) for row in rows]


def settle(
    database: sqlite3.Connection, waiting: Iterable[Use], over: Iterable[Use], now: float
) -> None:
    """Note which messages wait now, and forget those that do not."""
    database.executemany(
        "UPDATE use_times SET at = ? WHERE sha256 = ? AND message = ?",
        [(now, *use) for use in waiting],
    )
    database.executemany("DELETE FROM uses WHERE sha256 = ? AND message = ?", over)
