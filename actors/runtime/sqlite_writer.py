"""Runs one SQLite file's writes and reads in a thread: concurrent writes share a commit, then reads run.

The state store and the ledger of files stand on it; each names the error for a file of no use.

With ``synchronous=FULL`` a commit costs an fsync; writes that wait while one runs share the next. `group_commit`
does that on an event loop, and does not serve here: SQLite blocks, so that each commit needs a thread, which takes
the next group at once, also while the loop is busy, and ends the last one after the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
import zlib
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WRITE_SECONDS = 10.0  # a disk that hangs is away
BUSY_SECONDS = 5.0  # for which a writer waits for another process's transaction on its file
GROUP_LIMIT = 256  # jobs that share one commit
WAITING_LIMIT = 8192  # jobs that wait for the thread, callers that gave up among them
CACHE_KIB = 8192  # a full batch and its indexes fit: what does not is written twice
_STOP = None
_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}

T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    writes: bool
    future: Future[Any] = field(default_factory=Future)

    def release(self, _: Future[Any]) -> None:
        """Let go of what the job holds: the queue may keep it, after its caller gave up, while the disk hangs."""
        self.run = _nothing


class SqliteWriter:
    """A write that was answered is on disk; one that raised `away` may or may not be.

    A job runs in a savepoint of the group's transaction: it is applied whole or not at all, and
    one that raises spoils no other. On an error of the file the whole group is rolled back and fails, and the
    file is opened afresh for the next.
    """

    def __init__(
        self, path: Path, schema: Sequence[str], *, away: Callable[[str], Exception]
    ) -> None:
        """`away` makes the error for a file that is of no use, from the name of the condition."""
        self._path = path
        self._away = away
        self._schema = schema
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"store {path.name}", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[sqlite3.Connection], T], *, writes: bool) -> Future[T]:
        """Queue a job for the thread. The future raises `away`, or an error of `run`.

        Raises `away` where `WAITING_LIMIT` jobs wait.
        """
        job = _Job(run, writes)
        job.future.add_done_callback(job.release)
        with self._gate:  # closes the race with close(): nothing is queued behind the stop
            if self._closed:
                raise self._away("closed")
            if self._jobs.qsize() >= WAITING_LIMIT:
                raise self._away("busy")
            self._jobs.put(job)
        return cast("Future[T]", job.future)

    async def call(self, run: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """Run a job and return its result. Raises `away`, also where the disk hangs, or what `run` raised."""
        future = asyncio.wrap_future(self.submit(run, writes=writes))
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await future
        except TimeoutError:
            raise self._away("no answer in time") from None

    def close(self) -> None:
        """Finish what is queued, then close the file. Blocks; harmless twice."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(_STOP)
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            jobs = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(jobs) < GROUP_LIMIT:
                    jobs.append(self._jobs.get_nowait())
            going = _STOP not in jobs
            taken = [j for j in jobs if j is not None and j.future.set_running_or_notify_cancel()]
            self._commit([job for job in taken if job.writes])
            for job in taken:
                if not job.writes:
                    self._read(job)
        self._drop()

    def _commit(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            outcomes.extend((job, *_step(database, job)) for job in jobs)
            database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._drop()
            for job in jobs:
                job.future.set_exception(self._away(_name(error)))
            return
        for job, result, failure in outcomes:
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)

    def _read(self, job: _Job) -> None:
        try:
            job.future.set_result(job.run(self._open()))
        except Exception as error:  # noqa: BLE001 - it is the caller's to see
            if isinstance(error, sqlite3.Error | OSError):
                self._drop()
                error = self._away(_name(error))
            job.future.set_exception(error)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self._path, self._schema)
        return self._database

    def _drop(self) -> None:
        """Close the file; uncommitted writes are rolled back by that."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()


def _nothing(_: sqlite3.Connection) -> None:
    """The run of a job that is over."""


def open_database(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """A connection in WAL mode that fsyncs each commit. Raises `sqlite3.Error` or `OSError`."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA journal_size_limit = 16777216")
            database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            database.execute("PRAGMA temp_store = MEMORY")  # also what a savepoint sets aside
            _prepare(database, schema)
        except sqlite3.OperationalError as error:
            database.close()
            # Several processes that turn a new file to WAL at once get BUSY without the wait.
            if not _is(error, sqlite3.SQLITE_BUSY) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        except BaseException:
            database.close()
            raise
        else:
            path.chmod(0o600)
            return database


class CopyFailed(Exception):
    """A file of SQLite cannot be read, or its copy not be written; the message names the condition."""


def copy_database(file: Path, target: Path) -> None:
    """Copy what is committed in a file that others write meanwhile to `target`, one file with nothing beside it.

    Raises `CopyFailed`, and leaves what it wrote.
    """
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    uri = f"{file.resolve().as_uri()}?mode=ro"
    try:
        with (
            contextlib.closing(sqlite3.connect(uri, BUSY_SECONDS, uri=True)) as live,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise CopyFailed(_name(error)) from error


def _prepare(database: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Create what is missing; takes no lock where this very schema was prepared before."""
    version = zlib.crc32("\n".join(schema).encode()) & 0x7FFFFFFF
    if database.execute("PRAGMA user_version").fetchone() == (version,):
        return
    database.execute("BEGIN IMMEDIATE")
    for statement in schema:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {version}")
    database.execute("COMMIT")


def _step(database: sqlite3.Connection, job: _Job) -> tuple[Any, BaseException | None]:
    """Run one job in a savepoint. Raises only what makes the whole group fail."""
    database.execute("SAVEPOINT job")
    result: Any = None
    failure: BaseException | None = None
    try:
        result = job.run(database)
    except Exception as error:
        if isinstance(error, OSError) or (isinstance(error, sqlite3.Error) and _is(error, *_AWAY)):
            raise
        database.execute("ROLLBACK TO job")
        failure = error
    database.execute("RELEASE job")
    return result, failure


def _is(error: sqlite3.Error, *codes: int) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes


def _name(error: Exception) -> str:
    # The name of the condition only: an error's text could quote a path.
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
