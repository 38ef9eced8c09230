"""Opens the session's SQLite file for one owner, rejects owners of older epochs, and commits transactions with fsync.

Every change is made inside `transaction`, which is on disk (fsync) when it ends, or leaves nothing.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import asynccontextmanager, closing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

from actors.connection.session.schema import APPLICATION_ID, BASE_VERSION, SCHEMA
from actors.connection.session.schema_changes import SCHEMA_CHANGES, VERSION
from actors.redis.leases.lease_record import Position
from actors.runtime.limits.limits import DISK_RESERVE
from actors.runtime.sqlite_writer import BUSY_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

NO_POSITION = Position(0, 0)

# The transaction that the running code is inside of. A context variable and not the task: an awaited
# call of a transaction may run as a task of its own, and an unrelated task must not slip its writes
# into a transaction that may yet roll back.
_inside: ContextVar[object | None] = ContextVar("session_transaction", default=None)


class StaleEpoch(Exception):
    """The file belongs to a newer epoch: its owner is another one (G6). Nothing was changed."""

    code: Final = "stale_epoch"


class SessionDamaged(Exception):
    """The file is no session, or a broken one. It was left as it is."""

    code: Final = "session_damaged"


class SessionUnlinked(Exception):
    """The account was unlinked meanwhile, and its keys are gone from the file. Nothing was changed."""

    code: Final = "session_unlinked"


class SessionTooNew(Exception):
    """A newer release wrote the file. It was left as it is."""

    code: Final = "session_too_new"


class SessionUnavailable(Exception):
    """The file cannot be read or written now (disk full, locked). Nothing was changed."""

    code: Final = "session_unavailable"

    @property
    def full(self) -> bool:
        """Whether the disk has no room."""
        return self.args in {("SQLITE_FULL",), (DISK_RESERVE,)}


class SessionBlocked(Exception):
    """Something else stands where the session or its directory belongs. It was left as it is."""

    code: Final = "session_blocked"


class _Translation:
    """Turns SQLite's errors into the session's; a class, since a message passes it some thirty times."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, sqlite3.IntegrityError):
            return
        if isinstance(error, sqlite3.OperationalError):
            raise SessionUnavailable(_name(error)) from error
        if isinstance(error, sqlite3.DatabaseError):
            raise SessionDamaged(_name(error)) from error


_translated = _Translation()


def _name(error: sqlite3.Error) -> str:
    # The code's name only: SQLite's own sentence may quote values.
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def make_directory(directory: Path) -> None:
    """Make the directory of a session, where there is none yet.

    Raises `SessionBlocked` where a file is in its place, and `SessionUnavailable` where the disk
    takes no directory now.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise SessionBlocked(error.strerror) from error
    except OSError as error:
        raise SessionUnavailable(error.strerror) from error


class SessionFile:
    """The file of one account, used by one event loop's thread.

    A second process may have it open; `transaction` refuses the one with the older epoch
    (G6). Reads outside a transaction see only what is committed, also while another task's
    transaction is open.
    """

    def __init__(self, path: Path, epoch: int, clock: Callable[[], float]) -> None:
        self.path = path
        self.epoch = epoch
        self.clock = clock
        self._caches: list[Callable[[], None]] = []
        self._lock = asyncio.Lock()
        self._transaction: object | None = None
        with _translated:
            self._writer = self._connect()
            try:
                self._adopt()
                self._reader = _read_only(path)
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def open(cls, path: Path, epoch: int, *, clock: Callable[[], float] = time.time) -> Self:
        """The session in `path`, which is created where there is none and now belongs to `epoch`.

        Raises `StaleEpoch` where the file has a newer epoch, `SessionDamaged` where it is no session,
        `SessionTooNew`, `SessionBlocked` or `SessionUnavailable`; in each case the file is untouched.
        Only `check` looks at every page.
        """
        if _inspect(path, thorough=False).epoch > epoch:
            raise StaleEpoch
        return cls(path, epoch, clock)

    @staticmethod
    def stored_position(path: Path) -> Position:
        """The position of the file: (0, 0) where there is none, or where nobody ever wrote into it.

        Raises `SessionDamaged`, `SessionTooNew`, `SessionBlocked` or `SessionUnavailable`.
        """
        return _inspect(path, thorough=False)

    @staticmethod
    def check(path: Path) -> Position:
        """As `stored_position`, after a look at every page: `SessionDamaged` where one is broken.

        For a thread: it takes seconds for millions of rows.
        """
        return _inspect(path, thorough=True)

    @staticmethod
    def may_hold_items(path: Path) -> bool:
        """Whether anything in the file waits for the state store or is to be fetched; True where it cannot be read."""
        try:
            with closing(_read_only(path)) as reader:
                return any(reader.execute(query).fetchone() for query in _ITEMS)
        except sqlite3.Error:
            return True

    def close(self) -> None:
        """Close the file; an open transaction is rolled back. Safe to call twice."""
        # The writer last: the last one to close folds the write-ahead log into the file, and only a
        # writer can.
        self._reader.close()
        self._writer.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All changes made inside are on disk when it ends; on an exception none is (G5).

        Transactions follow one another, whatever task they are in. Raises `StaleEpoch` where the
        file has a newer owner (G6), `SessionUnavailable` where nothing can be written.
        """
        if self.within:
            raise RuntimeError("a transaction inside a transaction; use savepoint")
        async with self._lock:
            with _translated:
                self._writer.execute("BEGIN IMMEDIATE")
            self._transaction = object()
            outer = _inside.get()
            _inside.set(self._transaction)
            try:
                # Read under the write lock: no successor can take the file until this commits.
                self._check_epoch()
                before = self._writer.total_changes
                yield
                with _translated:
                    if self._writer.total_changes != before:
                        self._writer.execute("UPDATE file SET commits = commits + 1")
                    self._writer.execute("COMMIT")
            except BaseException:
                # A full disk ends the transaction by itself.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._transaction = None
                _inside.set(outer)
                self._drop_caches()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """One message's share of a transaction: on an exception only what it changed is undone."""
        self.write("SAVEPOINT share")
        try:
            yield
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK TO share")
                self._writer.execute("RELEASE share")
            self._drop_caches()
            raise
        self.write("RELEASE share")

    def add_cache(self, drop: Callable[[], None]) -> None:
        """Have `drop` called where cached rows may be wrong: at the end of a transaction, or of an undone share."""
        self._caches.append(drop)

    def _drop_caches(self) -> None:
        for drop in self._caches:
            drop()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, of any task."""
        return self._transaction is not None

    @property
    def within(self) -> bool:
        """Whether the running code is inside the open transaction."""
        return self._transaction is not None and _inside.get() is self._transaction

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute inside the transaction; return the number of rows it changed."""
        if not self.within:
            raise RuntimeError("the session is changed only inside a transaction")
        with _translated:
            return self._writer.execute(sql, parameters).rowcount

    def write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """As `write`, for each of the rows."""
        if not self.within:
            raise RuntimeError("the session is changed only inside a transaction")
        with _translated:
            self._writer.executemany(sql, rows)

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """As `write`; return the new row's key."""
        if not self.within:
            raise RuntimeError("the session is changed only inside a transaction")
        with _translated:
            return int(self._writer.execute(sql, parameters).lastrowid or 0)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a query: of what is committed, inside a transaction also of what it changed."""
        connection = self._writer if self.within else self._reader
        with _translated:
            return connection.execute(sql, parameters).fetchall()

    def look_up(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """As `rows`, for a thread: a query that may take a while, of what is committed."""
        with _translated, closing(_read_only(self.path)) as reader:
            return reader.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Any | None:
        """Return the first row of a query; None where there is none."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def _check_epoch(self) -> None:
        with _translated:
            epoch = self._writer.execute("SELECT epoch FROM file").fetchone()[0]
        if epoch != self.epoch:
            raise StaleEpoch

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            _sync_directory(self.path.parent)
        writer = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            # Of a new file alone: an older one keeps free pages for its next rows.
            writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
            mode = writer.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            writer.execute("PRAGMA synchronous=FULL")
            writer.execute("PRAGMA secure_delete=ON")
            writer.execute("PRAGMA foreign_keys=ON")
        except BaseException:
            writer.close()
            raise
        if mode != "wal":
            writer.close()
            raise SessionUnavailable("the file system allows no write-ahead log")
        return writer

    def _adopt(self) -> None:
        """Take the file for this epoch, unless a newer owner took it since it was inspected."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            if not self._writer.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
                for statement in SCHEMA.split(";"):
                    self._writer.execute(statement)
                self._writer.execute(
                    "INSERT INTO file (one, epoch, next_prekey_id) VALUES (1, ?, 1)", (self.epoch,)
                )
                self._writer.execute(f"PRAGMA application_id={APPLICATION_ID}")
                self._writer.execute(f"PRAGMA user_version={BASE_VERSION}")
            written = self._writer.execute("PRAGMA user_version").fetchone()[0]
            for version in range(written + 1, VERSION + 1):
                for statement in SCHEMA_CHANGES[version].split(";"):
                    self._writer.execute(statement)
                self._writer.execute(f"PRAGMA user_version={version}")
            self._writer.execute("UPDATE file SET epoch = ? WHERE epoch < ?", (self.epoch,) * 2)
            self._check_epoch()
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )


def _inspect(path: Path, *, thorough: bool) -> Position:
    # A file of no bytes is a creation that was cut short: SQLite fills its first page only when
    # the write-ahead log is switched on.
    if not path.exists():
        return NO_POSITION
    if not path.is_file():  # SQLite would wait for a pipe
        raise SessionBlocked
    if path.stat().st_size == 0:
        return NO_POSITION
    with _translated:
        reader = _read_only(path)
        try:
            if not reader.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
                return NO_POSITION
            if reader.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise SessionDamaged("not a session")
            version = reader.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise SessionTooNew
            if version < BASE_VERSION:
                raise SessionDamaged(
                    "a build before the first release wrote it: link the account anew"
                )
            if thorough and reader.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise SessionDamaged("quick_check")
            return Position(*reader.execute("SELECT epoch, commits FROM file").fetchone())
        finally:
            reader.close()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# Receipts of messages that never came are nobody's.
_ITEMS: Final = (
    "SELECT 1 FROM inbox WHERE kind <> 'early' LIMIT 1",
    "SELECT 1 FROM transfers LIMIT 1",
)
