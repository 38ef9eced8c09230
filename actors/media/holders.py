"""Records in the media ledger (SQLite) which connections hold each file, and checks their byte quotas for new files.

`ledger` calls these functions within its transactions.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.disk_floor import LEAST_FILE_BYTES, counted_bytes
from actors.runtime.limits.limits import LimitReached
from actors.runtime.limits.quotas import SHARED_UNIT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from actors.runtime.limits.quotas import Quota

LEDGER_READ_SECONDS: Final = 1.0
"""Seconds for which `read` waits while another process has the file locked."""

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS holders (
        sha256 TEXT NOT NULL,
        connection TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (sha256, connection)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS held (connection TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TRIGGER IF NOT EXISTS holder_added AFTER INSERT ON holders BEGIN
        INSERT INTO held VALUES (NEW.connection, NEW.size)
            ON CONFLICT (connection) DO UPDATE SET bytes = bytes + excluded.bytes;
    END""",
    """CREATE TRIGGER IF NOT EXISTS holder_gone AFTER DELETE ON holders BEGIN
        UPDATE held SET bytes = bytes - OLD.size WHERE connection = OLD.connection;
        DELETE FROM held WHERE connection = OLD.connection AND bytes <= 0;
    END""",
    "CREATE INDEX IF NOT EXISTS holders_of ON holders (connection)",
    "CREATE TABLE IF NOT EXISTS unheld (bytes INTEGER NOT NULL)",
    """CREATE TRIGGER IF NOT EXISTS file_added AFTER INSERT ON files
        WHEN NOT EXISTS (SELECT 1 FROM holders WHERE holders.sha256 = NEW.sha256) BEGIN
        UPDATE unheld SET bytes = bytes + NEW.size;
    END""",
    """CREATE TRIGGER IF NOT EXISTS file_resized AFTER UPDATE OF size ON files
        WHEN NOT EXISTS (SELECT 1 FROM holders WHERE holders.sha256 = NEW.sha256) BEGIN
        UPDATE unheld SET bytes = bytes + NEW.size - OLD.size;
    END""",
    """CREATE TRIGGER IF NOT EXISTS file_gone AFTER DELETE ON files
        WHEN NOT EXISTS (SELECT 1 FROM holders WHERE holders.sha256 = OLD.sha256) BEGIN
        UPDATE unheld SET bytes = bytes - OLD.size;
    END""",
    """CREATE TRIGGER IF NOT EXISTS first_holder AFTER INSERT ON holders
        WHEN NOT EXISTS (SELECT 1 FROM holders
            WHERE sha256 = NEW.sha256 AND connection <> NEW.connection) BEGIN
        UPDATE unheld SET bytes = bytes
            - coalesce((SELECT size FROM files WHERE sha256 = NEW.sha256), 0);
    END""",
    """CREATE TRIGGER IF NOT EXISTS last_holder AFTER DELETE ON holders
        WHEN NOT EXISTS (SELECT 1 FROM holders WHERE holders.sha256 = OLD.sha256) BEGIN
        UPDATE unheld SET bytes = bytes
            + coalesce((SELECT size FROM files WHERE sha256 = OLD.sha256), 0);
    END""",
    # The last: until there is a row the triggers change nothing, and it counts what came before it.
    """INSERT INTO unheld SELECT (SELECT coalesce(sum(size), 0) FROM files
        WHERE NOT EXISTS (SELECT 1 FROM holders WHERE holders.sha256 = files.sha256))
        WHERE NOT EXISTS (SELECT 1 FROM unheld)""",
)
"""`held` is the sum of `holders`, `unheld` that of `files` without any; the database itself keeps both up to date.

They are right after a crash, and reading them costs as much with many files as with few.
"""


@dataclass(frozen=True, slots=True)
class HeldBytes:
    """Bytes of files: `held` by unit (`actors.runtime.limits.quotas`), `elsewhere` of files that are kept for no unit.

    A file that a lost ledger had is kept for none; one of several units counts
    for each.
    """

    held: Mapping[str, int]
    elsewhere: int

    @property
    def total(self) -> int:
        return sum(self.held.values()) + self.elsewhere


def lacking(database: sqlite3.Connection, sha256: str, units: Iterable[str]) -> list[str]:
    """Return the units that the file is not kept for yet."""
    rows = database.execute("SELECT connection FROM holders WHERE sha256 = ?", (sha256,)).fetchall()
    there = {connection for (connection,) in rows}
    return [each for each in units if each not in there]


def add(database: sqlite3.Connection, sha256: str, size: int, units: Iterable[str]) -> None:
    """Keep the file for these units, which lacked it."""
    rows = [(sha256, each, counted_bytes(size)) for each in units]
    database.executemany("INSERT INTO holders VALUES (?, ?, ?)", rows)


def join(database: sqlite3.Connection, sha256: str, connection: str) -> None:
    """Keep a file that is there for this connection as well."""
    database.execute(
        "INSERT OR IGNORE INTO holders SELECT sha256, ?, max(size, ?) FROM files WHERE sha256 = ?",
        (connection, LEAST_FILE_BYTES, sha256),
    )


def admit(
    database: sqlite3.Connection,
    quota: Quota,
    new: Collection[str],
    size: int,
    living: Collection[str] | None,
    *,
    room: int = 0,
    arrives: bool = False,
) -> None:
    """Raises `LimitReached` where so many bytes more of the `new` units have no room, see `Quota.check`.

    A quota without a total has what all files take, and the `room` for more of them (bytes; 0: unknown, no limit); so
    has one for a file that `arrives`, where its total is less.
    """

    def check() -> None:
        found = usage(database)
        bound = quota.within(found.total + room) if room else quota
        if arrives:
            bound = quota.at_least(found.total + room)
        bound.check(new, found.held, size, living=living, elsewhere=found.elsewhere)

    try:
        check()
    except LimitReached:
        if living is None or not _let_go(database, living):
            raise
        check()


def left(database: sqlite3.Connection, quota: Quota, unit: str, room: int) -> int:
    """Return how many bytes of files may still arrive for this unit, as `admit` judges it."""
    found = usage(database)
    bound = quota.at_least(found.total + room)
    return min(room, bound.left(unit, found.held, elsewhere=found.elsewhere))


def _let_go(database: sqlite3.Connection, living: Collection[str]) -> int:
    """Let deleted connections have no file that somebody else has as well; how many those were.

    Such a file goes on being needed, and would count for them for ever.
    """
    rows = database.execute("SELECT connection FROM held").fetchall()
    gone = [unit for (unit,) in rows if unit != SHARED_UNIT and unit not in living]
    if not gone:
        return 0
    return database.execute(
        "DELETE FROM holders WHERE connection IN (SELECT value FROM json_each(?1)) AND EXISTS"
        " (SELECT 1 FROM holders AS other WHERE other.sha256 = holders.sha256"
        " AND (other.connection NOT IN (SELECT value FROM json_each(?1))"
        " OR other.connection < holders.connection))",
        (json.dumps(gone),),
    ).rowcount


def remove(database: sqlite3.Connection, sha256: str) -> None:
    """Keep the file for nobody any more: it is gone."""
    database.execute("DELETE FROM holders WHERE sha256 = ?", (sha256,))


def read(file: Path) -> HeldBytes:
    """Read the bytes of a ledger's file from another process. Blocking. Raises `OSError` where they cannot be read."""
    try:
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", LEDGER_READ_SECONDS, uri=True)
        ) as database:
            return usage(database)
    except sqlite3.Error as error:
        raise OSError(getattr(error, "sqlite_errorname", type(error).__name__)) from None


def usage(database: sqlite3.Connection) -> HeldBytes:
    """Return the bytes of each unit, and those of files that are kept for none."""
    held = dict(database.execute("SELECT connection, bytes FROM held").fetchall())
    (unheld,) = database.execute("SELECT bytes FROM unheld").fetchone()
    return HeldBytes(held, unheld)
