"""Copies a session SQLite file while its owner writes, encloses and extracts engines' key files, and checks copies."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from actors.connection.session.session import Session, SessionDamaged, SessionUnavailable
from actors.runtime.sqlite_writer import CopyFailed, copy_database

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from actors.redis.leases.lease_record import Position

BUSY = 5.0

KEYS_PIECE_BYTES: Final = 4 * 2**20
"""Bytes of a file with keys that are in memory at once."""

BESIDE: Final = ("whatsmeow.db",)
"""Files with keys that an engine may have beside the session file: one copy is of both."""


def snapshot(file: Path, target: Path) -> Position:
    """Copy the session to `target`, which is replaced, and look at every page of the copy; how far it got.

    Committed changes are in it, and nothing else. Raises `SessionUnavailable` or `SessionDamaged`;
    nothing is left at `target` then.
    """
    remove(target)
    try:
        copy_database(file, target)
        return Session.check(target)
    except BaseException as error:
        remove(target)
        cause = error.__cause__ if isinstance(error, CopyFailed) else error
        if isinstance(cause, sqlite3.OperationalError | OSError):
            raise SessionUnavailable(type(cause).__name__) from None
        if isinstance(cause, sqlite3.DatabaseError):
            raise SessionDamaged(type(cause).__name__) from None
        raise


def enclose(copy: Path, files: Mapping[str, Path]) -> None:
    """Put files with keys into a snapshot, each under its name. Raises what `check` raises of one of them."""
    for file in files.values():
        check(file)
    try:
        with closing(sqlite3.connect(copy)) as database, database:
            database.execute("CREATE TABLE enclosed (name TEXT NOT NULL, content BLOB NOT NULL)")
            for name, file in files.items():
                with file.open("rb") as stream:
                    while piece := stream.read(KEYS_PIECE_BYTES):
                        database.execute("INSERT INTO enclosed VALUES (?, ?)", (name, piece))
    except (OSError, sqlite3.Error) as error:
        raise SessionUnavailable(type(error).__name__) from None


def disclose(copy: Path) -> list[str]:
    """Take the files out of a snapshot again; the names of those that now lie at `beside`.

    Raises `SessionUnavailable` or `SessionDamaged`, also where a page of such a file is broken.
    """
    try:
        with closing(sqlite3.connect(copy)) as database:
            there = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'enclosed'")
            if there.fetchone() is None:
                return []
            names = [name for (name,) in database.execute("SELECT DISTINCT name FROM enclosed")]
            if not set(names) <= set(BESIDE):
                raise SessionDamaged("enclosed")
            for name in names:
                target = beside(copy, name)
                remove(target)
                target.touch(mode=0o600)
                pieces = "SELECT content FROM enclosed WHERE name = ? ORDER BY rowid"
                with target.open("wb") as stream:
                    for (piece,) in database.execute(pieces, (name,)):
                        stream.write(piece)
                check(target)
            # Not VACUUM: a large session would take longer for it than for all else.
            database.execute("PRAGMA secure_delete=ON")
            database.execute("DROP TABLE enclosed")
            database.execute("PRAGMA incremental_vacuum").fetchall()
    except (OSError, sqlite3.OperationalError) as error:
        raise SessionUnavailable(type(error).__name__) from None
    except sqlite3.DatabaseError as error:
        raise SessionDamaged(type(error).__name__) from None
    return names


def check(keys: Path) -> None:
    """See that a file with keys can be read. Raises `SessionUnavailable` or `SessionDamaged`."""
    try:
        with closing(sqlite3.connect(f"{keys.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()
    except (OSError, sqlite3.OperationalError) as error:
        raise SessionUnavailable(type(error).__name__) from None
    except sqlite3.DatabaseError as error:
        raise SessionDamaged(type(error).__name__) from None
    if found != ("ok",):
        raise SessionDamaged("quick_check")


def beside(copy: Path, name: str) -> Path:
    """The place of the file of this name that belongs to a snapshot."""
    return copy.with_name(f"{copy.name}.{name}")


def fold(file: Path) -> None:
    """Put what SQLite keeps beside the file into it: afterwards the file alone is the session.

    Raises `SessionUnavailable` where somebody has it open, or the disk does not take it.
    """
    try:
        with closing(sqlite3.connect(file, BUSY, isolation_level=None)) as live:
            busy = live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise SessionUnavailable(type(error).__name__) from None
    log = file.with_name(f"{file.name}-wal")
    if busy or (log.exists() and log.stat().st_size):
        raise SessionUnavailable("in use")
    # An empty log stays, and would be taken for the next file's.
    log.unlink(missing_ok=True)
    file.with_name(f"{file.name}-shm").unlink(missing_ok=True)


def remove(file: Path, *, beside: bool = False) -> None:
    """Remove a copy that is not needed; `beside`: only what SQLite may have left beside it."""
    for suffix in ("-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    if not beside:
        file.unlink(missing_ok=True)
