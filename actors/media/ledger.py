"""Lists a host's media files in one SQLite file: last need, messages, holders, and copies to the bucket still due.

A file is in the list before it appears, so that each file is removed and copied in its time. A row has
how long the file is needed, by which messages, for which connections it is kept (`holders`), and whether it is
still to be copied to the bucket. Where several hosts share the directory each has a ledger of its own, and a
file's time of change is when any of them needed it last.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.media import daily_uploads, holders, uses
from actors.media.daily_uploads import UPLOADED
from actors.media.directory import place
from actors.media.store import SHA256_PATTERN, StoreFull, StoreUnavailable
from actors.runtime.limits.disk_floor import counted_bytes
from actors.runtime.limits.quotas import SHARED_UNIT
from actors.runtime.sqlite_writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from actors.runtime.limits.limits import Limit
    from actors.runtime.limits.quotas import Quota

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS files (
        sha256 TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        needed_at REAL NOT NULL,
        copied_at REAL,
        to_copy INTEGER NOT NULL DEFAULT 0,
        mime TEXT,
        name TEXT
    ) WITHOUT ROWID""",
    *uses.SCHEMA,
    UPLOADED,
    *holders.SCHEMA,
    "CREATE INDEX IF NOT EXISTS needed ON files (needed_at)",
    "CREATE INDEX IF NOT EXISTS copying ON files (needed_at) WHERE to_copy",
    "CREATE TABLE IF NOT EXISTS scanned (at REAL NOT NULL)",
)

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")

_TAKEN: Final = ("SQLITE_IOERR", "SQLITE_READONLY_DBMOVED", "FileNotFoundError")
"""Errors while another process sets the file aside that this one has open."""

LEDGER_TRIES: Final = 3
"""Times that a call is tried again, each after a damaged file was set aside."""

log = structlog.get_logger()

MARK_SECONDS: Final = 24 * 3600.0
"""Seconds after which a copy in the bucket is marked anew as needed."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A file of this host. `mime` and `name` are what its last uploader called it."""

    sha256: str
    size: int
    needed_at: float
    copied_at: float | None = None
    mime: str | None = None
    name: str | None = field(default=None, repr=False)


class Ledger:
    """The ledger in the file `path`. Every method raises `StoreUnavailable`; a change is on disk when its call returns.

    A damaged one is moved aside and begins anew: `scan` finds the files again, each as if it was
    needed just now, so that nothing goes too early.

    With `copying` each file that is noted or used is to be copied, unless that was done lately.
    """

    def __init__(self, path: Path, directory: Path, *, copying: bool) -> None:
        """`directory` is where the files are."""
        self._path = path
        self._directory = directory
        self._copying = copying
        self._writer: SqliteWriter | None = None

    async def note(
        self,
        sha256: str,
        size: int,
        now: float | None = None,
        *,
        units: Collection[str] = (),
        quota: Quota | None = None,
        living: Collection[str] | None = None,
        daily: Limit | None = None,
        room: int = 0,
        arrives: bool = False,
    ) -> None:
        """Note a file that is about to be kept for these units (`actors.runtime.limits.quotas`); it is needed from now on.

        Raises `LimitReached` where a unit that does not have it yet has no room for its `counted_bytes`; `room` and
        `arrives` are as in `holders.admit`. With a `daily` limit they count as uploaded today for each connection of
        them, also where the file is there already: raises `LimitReached` beyond that. Then nothing is noted.
        """
        now = time.time() if now is None else now
        owners = [each for each in units if each != SHARED_UNIT]
        counted = counted_bytes(size)

        def run(database: sqlite3.Connection) -> Exception | None:
            new = holders.lacking(database, sha256, units)
            if quota is not None and new:
                holders.admit(database, quota, new, counted, living, room=room, arrives=arrives)
            if daily is not None:
                used = daily_uploads.uploaded(database, owners, now)
                refusal = daily_uploads.refusal(used.values(), counted, daily, now)
                if refusal is not None:
                    return refusal
                daily_uploads.charge(database, counted, owners, now)
            self._note(database, sha256, size, now)
            holders.add(database, sha256, size, new)
            return None

        refusal = await self._request(run, writes=True)
        if refusal is not None:
            raise refusal

    async def left(self, quota: Quota, unit: str, room: int) -> int:
        """See `holders.left`."""
        return int(
            await self._request(
                partial(holders.left, quota=quota, unit=unit, room=room), writes=False
            )
        )

    async def uploaded(self, owners: Collection[str], now: float) -> dict[str, int]:
        """Return the bytes that each of these connections uploaded on this day."""
        used: dict[str, int] = await self._request(
            partial(daily_uploads.uploaded, owners=owners, now=now), writes=False
        )
        return used

    async def call(self, sha256: str, mime: str | None, name: str | None) -> None:
        """Record the name that the uploader gives a file."""
        await self._request(
            lambda database: database.execute(
                "UPDATE files SET mime = ?, name = ? WHERE sha256 = ?", (mime, name, sha256)
            ),
            writes=True,
        )

    async def find(self, sha256: str) -> LedgerEntry | None:
        """The file; None where there is none on this host."""
        row = await self._request(
            lambda database: database.execute(
                "SELECT sha256, size, needed_at, copied_at, mime, name FROM files WHERE sha256 = ?",
                (sha256,),
            ).fetchone(),
            writes=False,
        )
        return None if row is None else LedgerEntry(*row)

    async def use(self, sha256: str, message: str, now: float | None = None) -> bool:
        """A message is about to be accepted with it; False where the file is not here."""
        now = time.time() if now is None else now

        def run(database: sqlite3.Connection) -> bool:
            if not self._touch(database, sha256, now):
                return False
            uses.add(database, uses.Use(sha256, message), now)
            return True

        return bool(await self._request(run, writes=True))

    async def renew(self, sha256: str, now: float) -> bool:
        """A message needs it still, or again; False where the file is not here."""

        def run(database: sqlite3.Connection) -> bool:
            if self._touch(database, sha256, now):
                return True
            # Only the bucket may have it: there, too, it is to stay.
            database.execute(
                "UPDATE files SET needed_at = max(needed_at, ?) WHERE sha256 = ?", (now, sha256)
            )
            self._let_copy(database, sha256, now)
            return False

        return bool(await self._request(run, writes=True))

    async def hold(self, sha256: str, connection: str) -> None:
        """A file that is here is kept for the connection too, which it came to."""
        await self._request(
            partial(holders.join, sha256=sha256, connection=connection), writes=True
        )

    async def to_copy(self, limit: int) -> list[LedgerEntry]:
        """Files that the bucket lacks, the oldest first."""
        rows = await self._request(
            lambda database: database.execute(
                "SELECT sha256, size, needed_at, copied_at, mime, name FROM files WHERE to_copy"
                " ORDER BY needed_at LIMIT ?",
                (limit,),
            ).fetchall(),
            writes=False,
        )
        return [LedgerEntry(*row) for row in rows]

    async def copied(self, sha256: str, at: float) -> None:
        """Note that the bucket has the file, marked as needed at that time."""
        await self._request(
            lambda database: database.execute(
                "UPDATE files SET copied_at = ?, to_copy = 0 WHERE sha256 = ?", (at, sha256)
            ),
            writes=True,
        )

    async def lost(self, sha256: str) -> None:
        """It is not here any more, whatever took it."""
        await self._request(partial(_forget, sha256=sha256), writes=True)

    async def unneeded(self, since: float, limit: int) -> list[LedgerEntry]:
        """Files last needed before `since` that no message was accepted with, the longest unneeded first."""
        rows = await self._request(
            lambda database: database.execute(
                "SELECT sha256, size, needed_at, copied_at, mime, name FROM files"
                " WHERE needed_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM uses WHERE uses.sha256 = files.sha256)"
                " ORDER BY needed_at LIMIT ?",
                (since, limit),
            ).fetchall(),
            writes=False,
        )
        return [LedgerEntry(*row) for row in rows]

    async def older_uses(self, than: float, limit: int) -> list[uses.Use]:
        """Uses whose messages were last known to wait before then."""
        found: list[uses.Use] = await self._request(
            partial(uses.older, than=than, limit=limit), writes=False
        )
        return found

    async def settle_uses(
        self, waiting: Collection[uses.Use], over: Collection[uses.Use], now: float
    ) -> None:
        """Note which messages of these uses wait, and forget those that do not."""
        await self._request(partial(uses.settle, waiting=waiting, over=over, now=now), writes=True)

    async def remove(self, sha256: str, since: float) -> bool:
        """Remove the file and forget it; False where it was needed again after `since`.

        Both in one transaction: a message that is accepted meanwhile finds it, or that it is gone.
        With a message that may wait, nothing is removed.
        """
        file = self._place(sha256)

        def run(database: sqlite3.Connection) -> bool:
            row = database.execute(
                "SELECT 1 FROM files WHERE sha256 = ? AND needed_at < ? AND NOT EXISTS"
                " (SELECT 1 FROM uses WHERE uses.sha256 = files.sha256)",
                (sha256, since),
            ).fetchone()
            if row is None:
                return False
            with suppress(FileNotFoundError):
                # Another host that shares the directory may have needed it.
                if (touched := file.stat().st_mtime) >= since:
                    database.execute(
                        "UPDATE files SET needed_at = ? WHERE sha256 = ?", (touched, sha256)
                    )
                    return False
                file.unlink()
            _forget(database, sha256)
            return True

        return bool(await self._request(run, writes=True))

    async def scan(self, now: float) -> int:
        """Note what is in the directory, once in the life of this ledger; how many that were.

        For files whose ledger was lost, or which another host kept: each counts as needed now.
        """

        def found() -> list[tuple[str, int]]:
            files = (
                each for each in self._directory.glob("??/*") if SHA256_PATTERN.fullmatch(each.name)
            )
            return [(each.name, each.stat().st_size) for each in files]

        done = await self._request(
            lambda database: database.execute("SELECT 1 FROM scanned").fetchone(), writes=False
        )
        if done is not None:
            return 0
        files = await asyncio.to_thread(found)

        def run(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT OR IGNORE INTO files (sha256, size, needed_at, to_copy) VALUES (?, ?, ?, ?)",
                [(sha256, size, now, self._copying) for sha256, size in files],
            )
            database.execute("INSERT INTO scanned VALUES (?)", (now,))

        await self._request(run, writes=True)
        return len(files)

    async def close(self) -> None:
        """Finish what is being written, then close the file."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)

    def _touch(self, database: sqlite3.Connection, sha256: str, now: float) -> bool:
        """Note that it is needed, also one that another host kept; False where it is not here."""
        file = self._place(sha256)
        try:
            os.utime(file, (now, now))
            size = file.stat().st_size
        except FileNotFoundError:
            return False
        self._note(database, sha256, size, now)
        return True

    def _note(self, database: sqlite3.Connection, sha256: str, size: int, now: float) -> None:
        database.execute(
            "INSERT INTO files (sha256, size, needed_at) VALUES (?, ?, ?) ON CONFLICT (sha256)"
            " DO UPDATE SET size = excluded.size, needed_at = max(needed_at, excluded.needed_at)",
            (sha256, size, now),
        )
        self._let_copy(database, sha256, now)

    def _place(self, sha256: str) -> Path:
        file = place(self._directory, sha256)
        assert file is not None
        return file

    def _let_copy(self, database: sqlite3.Connection, sha256: str, now: float) -> None:
        if self._copying:
            database.execute(
                "UPDATE files SET to_copy = 1 WHERE sha256 = ?"
                " AND (copied_at IS NULL OR copied_at < ?)",
                (sha256, now - MARK_SECONDS),
            )

    async def _request(self, run: Callable[[sqlite3.Connection], Any], *, writes: bool) -> Any:
        if self._writer is None:
            # Not before it is needed: most processes never have a file.
            self._writer = SqliteWriter(self._path, SCHEMA, away=_away)
        for _ in range(LEDGER_TRIES):
            try:
                return await self._writer.call(run, writes=writes)
            except StoreUnavailable as error:
                if not error.reason.startswith(_DAMAGED + _TAKEN):
                    raise
                await asyncio.to_thread(_set_aside, self._path)
        return await self._writer.call(run, writes=writes)


def _set_aside(path: Path) -> None:
    """Move what is damaged out of the way, unless another process has by now."""
    with path.with_name(f"{path.name}.aside").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with closing(sqlite3.connect(path)) as database:
                if database.execute("PRAGMA quick_check").fetchone() == ("ok",):
                    return
        except sqlite3.OperationalError:
            return  # a failing disk is no proof of damage
        except sqlite3.DatabaseError:
            pass
        moment = time.time_ns()
        # The file itself last: a file left by a crash in between is damaged still.
        for suffix in ("-shm", "-wal", ""):
            with suppress(FileNotFoundError):
                part = path.with_name(path.name + suffix)
                part.rename(path.with_name(f"{path.name}.damaged-{moment}{suffix}"))
    log.error("ledger damaged", action="media_ledger_damaged")


def _forget(database: sqlite3.Connection, sha256: str) -> None:
    holders.remove(database, sha256)
    database.execute("DELETE FROM files WHERE sha256 = ?", (sha256,))
    database.execute("DELETE FROM uses WHERE sha256 = ?", (sha256,))


def _away(reason: str) -> StoreUnavailable:
    return (StoreFull if reason == "SQLITE_FULL" else StoreUnavailable)(reason)
