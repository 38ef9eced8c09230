"""Where sends wait while Redis is away: one SQLite file per host, shared by its gateways.

A send that was put here is on disk (G1) and keeps its place: what follows in its chat waits behind
it (`holds`), whether Redis is back or not (G4). `drain` moves everything to the queue, oldest
first; it may die anywhere, since an acceptance is idempotent by id (`lanes.accept`).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.committer import Committer
from actors.queue.record import Record, Send, api_id, derive, mint
from actors.queue.refusals import IdempotencyConflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS spool (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        connection TEXT NOT NULL,
        chat TEXT NOT NULL,
        accepted_at REAL NOT NULL,
        idempotency_key TEXT,
        fingerprint TEXT NOT NULL,
        send TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS chats ON spool (connection, chat)",
    "CREATE INDEX IF NOT EXISTS keys ON spool (connection, idempotency_key)",
)
EXCEPTED = 1_000
"""Chats that one look leaves out at most."""

_COLUMNS = "place, id, accepted_at, idempotency_key, send"


class SpoolUnavailable(Exception):  # noqa: N818 - reads as what it is
    """The spool takes nothing now: it is full, or its disk is, or hangs (HTTP 503).

    What was to be put may be there all the same if the disk hung.
    """

    code: Final = "spool_unavailable"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A send on disk. `place` rises with the order of acceptance on this host."""

    place: int
    message_id: str
    accepted_at: float
    idempotency_key: str | None
    send: Send = field(repr=False)

    @property
    def record(self) -> Record:
        """As the queue will know it."""
        return Record(
            id=api_id(self.send.connection, self.message_id),
            message_id=self.message_id,
            connection=self.send.connection,
            chat=self.send.chat,
            type=self.send.type,
            text=self.send.text,
            priority=self.send.priority,
            status="queued",
            attempts=0,
            error=None,
            uncertain=False,
            accepted_at=self.accepted_at,
            send_at=self.send.send_at,
            times={"queued": self.accepted_at},
            content=self.send.content,
        )


@dataclass(frozen=True, slots=True)
class Depth:
    """How many sends wait, and since when the oldest does."""

    count: int
    oldest_at: float | None


class Spool:
    """The file in `path`, for the tasks of one event loop; other processes may have it open."""

    def __init__(self, path: Path, *, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._committer = Committer(path, SCHEMA, away=SpoolUnavailable)
        self._reader: sqlite3.Connection | None = None

    async def put(
        self,
        send: Send,
        *,
        message_id: str | None = None,
        idempotency_key: str | None = None,
        now: float | None = None,
    ) -> tuple[Spooled, bool]:
        """The send, on disk when this returns, and whether it had been put here before.

        `message_id` names an acceptance that Redis may have heard already. Raises
        `IdempotencyConflict` and `SpoolUnavailable`; one that was raised may be repeated.
        """
        now = time.time() if now is None else now
        if message_id is None:
            key = idempotency_key
            message_id = mint() if key is None else derive(send, key, now)
        identity = api_id(send.connection, message_id)

        def run(database: sqlite3.Connection) -> tuple[Any, bool]:
            known = _find(database, identity)
            if known is None and idempotency_key is not None:
                known = _find_key(database, send.connection, idempotency_key)
            if known is not None:
                if known[-1] != send.fingerprint:
                    raise IdempotencyConflict
                return known[:-1], True
            # MAX and MIN of the key cost nothing; what was drained from the middle errs on the
            # side of refusing.
            (span,) = database.execute("SELECT MAX(place) - MIN(place) + 1 FROM spool").fetchone()
            if (span or 0) >= self._limit:
                raise SpoolUnavailable("over its limit")
            cursor = database.execute(
                "INSERT INTO spool (id, connection, chat, accepted_at, idempotency_key,"
                " fingerprint, send) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    identity,
                    send.connection,
                    send.chat,
                    now,
                    idempotency_key,
                    send.fingerprint,
                    json.dumps(asdict(send)),
                ),
            )
            return (
                cursor.lastrowid,
                identity,
                now,
                idempotency_key,
                json.dumps(asdict(send)),
            ), False

        row, replayed = await self._committer.ask(run, writes=True)
        return _spooled(row), replayed

    def holds(self, connection: str, chat: str) -> bool:
        """Whether something of this chat waits here; then its next send belongs behind it.

        Asked for every send, so it does not leave the thread. False if the file cannot be read:
        what is in it could not be told from nothing.
        """
        try:
            if self._reader is None:
                if not self._path.exists():
                    return False
                self._reader = sqlite3.connect(
                    f"file:{self._path}?mode=ro", uri=True, isolation_level=None
                )
            found = self._reader.execute(
                "SELECT 1 FROM spool WHERE connection = ? AND chat = ? LIMIT 1", (connection, chat)
            ).fetchone()
        except sqlite3.Error:
            self._forget_reader()
            return False
        return found is not None

    async def get(self, connection: str, message_id: str) -> Spooled | None:
        """The send with this id, if it waits here."""
        row = await self._committer.ask(
            lambda db: _find(db, api_id(connection, message_id)), writes=False
        )
        return None if row is None else _spooled(row[:-1])

    async def oldest(self, limit: int, without: Sequence[tuple[str, str]] = ()) -> list[Spooled]:
        """The first in the order of acceptance, `without` those (connection, chat)."""
        chats = without[:EXCEPTED]
        values = ", ".join(["(?, ?)"] * len(chats))
        where = f"WHERE (connection, chat) NOT IN (VALUES {values})" if chats else ""
        rows: list[Any] = await self._committer.ask(
            lambda database: database.execute(
                f"SELECT {_COLUMNS} FROM spool {where} ORDER BY place LIMIT ?",  # noqa: S608 - constants
                (*(part for chat in chats for part in chat), limit),
            ).fetchall(),
            writes=False,
        )
        return [_spooled(row) for row in rows]

    async def remove(self, moved: Sequence[Spooled]) -> None:
        """Forget what the queue has."""
        places = [(each.place,) for each in moved]
        await self._committer.ask(
            lambda database: database.executemany("DELETE FROM spool WHERE place = ?", places),
            writes=True,
        )

    async def depth(self) -> Depth:
        row = await self._committer.ask(
            lambda database: database.execute(
                "SELECT COUNT(*), MIN(accepted_at) FROM spool"
            ).fetchone(),
            writes=False,
        )
        return Depth(*row)

    async def close(self) -> None:
        """Finish what is being written, then close the file."""
        await asyncio.to_thread(self._committer.close)
        self._forget_reader()

    def _forget_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(sqlite3.Error):
                reader.close()


def _find(database: sqlite3.Connection, identity: str) -> Any:
    return database.execute(
        f"SELECT {_COLUMNS}, fingerprint FROM spool WHERE id = ?",  # noqa: S608 - constants
        (identity,),
    ).fetchone()


def _find_key(database: sqlite3.Connection, connection: str, key: str) -> Any:
    return database.execute(
        f"SELECT {_COLUMNS}, fingerprint FROM spool"  # noqa: S608 - constants
        " WHERE connection = ? AND idempotency_key = ?",
        (connection, key),
    ).fetchone()


def _spooled(row: Sequence[Any]) -> Spooled:
    place, identity, accepted_at, key, send = row
    return Spooled(place, identity.partition(".")[2], accepted_at, key, Send(**json.loads(send)))
