"""Stores sends that the gateway accepts while Redis is away in one SQLite file per host; it moves them to Redis later.

A send that was put here is on disk (G1) and keeps its place: what follows in its chat waits behind
it (`holds`), whether Redis is back or not (G4). The gateway's `spool_drain` moves everything to the
queue, oldest first; it may die anywhere, since an acceptance is idempotent by id (`OutboundQueue.accept`). A
row that is no send any more holds up nothing: it is moved to the table `unreadable` of the file as
it is.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from actors.queue.queue_errors import IdempotencyConflict
from actors.queue.records import api_id, derive, mint
from actors.queue.spool.rows import OVERHEAD, NotASend, Spooled, ended, spooled_of, weight_of
from actors.runtime.limits.limit_uses import SPOOL_FULL, limit_use
from actors.runtime.limits.limits import LimitReached
from actors.runtime.sqlite_writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from actors.queue.records import Record, Send
    from actors.queue.spool.redis_budgets import RedisBudgets
    from actors.runtime.limits.limit_uses import LimitUse
    from actors.runtime.limits.quotas import Quota

_COUNT_IN = """INSERT INTO counts (connection, rows) VALUES (NEW.connection, 1)
    ON CONFLICT (connection) DO UPDATE SET rows = rows + 1;"""
_COUNT_OUT = """UPDATE counts SET rows = rows - 1 WHERE connection = OLD.connection;
    DELETE FROM counts WHERE connection = OLD.connection AND rows < 1;"""
_WEIGHT = f"{OVERHEAD} + 3 * length({{row}}connection) + length(CAST({{row}}send AS BLOB))"
_WEIGH_IN = f"""INSERT INTO weights (connection, bytes) VALUES (NEW.connection, {_WEIGHT.format(row="NEW.")})
    ON CONFLICT (connection) DO UPDATE SET bytes = bytes + excluded.bytes;"""  # noqa: S608 - constants
_WEIGH_OUT = f"""UPDATE weights SET bytes = bytes - ({_WEIGHT.format(row="OLD.")}) WHERE connection = OLD.connection;
    DELETE FROM weights WHERE connection = OLD.connection AND bytes < 1;"""  # noqa: S608 - constants
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
    """CREATE TABLE IF NOT EXISTS unreadable (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        moved_at REAL,
        place INTEGER UNIQUE,
        id, connection, chat, accepted_at, idempotency_key, fingerprint, send
    )""",
    "CREATE INDEX IF NOT EXISTS chats ON spool (connection, chat)",
    "CREATE INDEX IF NOT EXISTS keys ON spool (connection, idempotency_key)",
    "CREATE INDEX IF NOT EXISTS places ON spool (connection)",
    # The rows of each connection, kept by the file itself for every process that writes it, also an older release.
    "CREATE TABLE IF NOT EXISTS counts (connection PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID",
    """INSERT OR IGNORE INTO counts (connection, rows)
        SELECT connection, count(*) FROM spool GROUP BY connection""",
    f"""CREATE TRIGGER IF NOT EXISTS counted_in AFTER INSERT ON spool BEGIN
        {_COUNT_IN} END""",
    f"""CREATE TRIGGER IF NOT EXISTS counted_out AFTER DELETE ON spool BEGIN
        {_COUNT_OUT} END""",
    f"""CREATE TRIGGER IF NOT EXISTS counted_anew AFTER UPDATE OF connection ON spool
        WHEN OLD.connection <> NEW.connection BEGIN
        {_COUNT_OUT} {_COUNT_IN} END""",
    # And the bytes that they take in Redis at most.
    "CREATE TABLE IF NOT EXISTS weights (connection PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID",
    f"""INSERT OR IGNORE INTO weights (connection, bytes)
        SELECT connection, sum({_WEIGHT.format(row="")}) FROM spool GROUP BY connection""",  # noqa: S608 - constants
    f"""CREATE TRIGGER IF NOT EXISTS weighed_in AFTER INSERT ON spool BEGIN
        {_WEIGH_IN} END""",
    f"""CREATE TRIGGER IF NOT EXISTS weighed_out AFTER DELETE ON spool BEGIN
        {_WEIGH_OUT} END""",
    f"""CREATE TRIGGER IF NOT EXISTS weighed_anew AFTER UPDATE OF connection, send ON spool BEGIN
        {_WEIGH_OUT} {_WEIGH_IN} END""",
)
EXCEPTED = 1_000
"""Chats that `chats` returns at most."""

_DEPTH = """SELECT (SELECT coalesce(sum(rows), 0) FROM counts),
    (SELECT accepted_at FROM spool WHERE typeof(accepted_at) = 'real' ORDER BY place LIMIT 1),
    (SELECT count(*) FROM unreadable), (SELECT coalesce(sum(bytes), 0) FROM weights)"""
"""Takes as long with many rows as with few."""

_COLUMNS = (
    "place, CAST(id AS BLOB), CAST(connection AS BLOB), CAST(chat AS BLOB), accepted_at,"
    " CAST(idempotency_key AS BLOB), CAST(send AS BLOB)"
)
_NEXT = """SELECT place FROM spool AS next WHERE next.connection = {before}.connection
    AND next.place > {place} AND (next.connection, next.chat) NOT IN aside ORDER BY next.place LIMIT 1"""
_OLDEST = f"""WITH RECURSIVE passed (connection) AS (SELECT value FROM json_each(?)),
    aside (connection, chat) AS
        (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)),
    found (place, connection) AS (
        SELECT spool.place, spool.connection FROM counts CROSS JOIN spool
            ON spool.place = ({_NEXT.format(before="counts", place=0)})
            WHERE counts.connection NOT IN passed
        UNION ALL SELECT spool.place, spool.connection FROM found CROSS JOIN spool
            ON spool.place = ({_NEXT.format(before="found", place="found.place")})
        ORDER BY 1 LIMIT ?)
    SELECT {_COLUMNS} FROM spool WHERE place IN (SELECT place FROM found) ORDER BY place"""  # noqa: S608 - constants
"""Merges the rows of the connections by place: each one found leads to the next of its connection, and none of those that
are passed is read."""

_ROW = "place, id, connection, chat, accepted_at, idempotency_key, fingerprint, send"
_HOLDS = "SELECT 1 FROM spool WHERE connection = ? AND chat = ? LIMIT 1"
_CHATS = """WITH RECURSIVE found (chat) AS (
        SELECT min(chat) FROM spool WHERE connection = ?1
        UNION ALL SELECT (SELECT min(chat) FROM spool WHERE connection = ?1 AND chat > found.chat)
            FROM found WHERE found.chat IS NOT NULL LIMIT ?2 + 1)
    SELECT chat FROM found WHERE chat IS NOT NULL LIMIT ?2"""
"""Goes from chat to chat, however many rows each has."""


class SpoolUnavailable(Exception):  # noqa: N818 - reads as what it is
    """The spool takes nothing now: it is full, or its disk is, or hangs (HTTP 503).

    The send may be in it all the same if the disk hung.
    """

    code: Final = "spool_unavailable"


class SpoolFull(LimitReached, SpoolUnavailable):
    """The rows or bytes that a limit allows are there, or those that it leaves to this connection."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Counts of the sends that wait and of rows that are no sends, the age of the oldest, and the uses of the limits."""

    count: int
    oldest_at: float | None
    unreadable: int = 0
    limits: tuple[LimitUse, ...] = ()


class Spool:
    """The file in `path`, for the tasks of one event loop; other processes may have it open.

    Half of the rows that `quota` allows, and of the bytes that `weights` does (None: any), is reserved for connections in
    equal parts, so that none that sends greedily while Redis is away takes the part of another (G12).
    """

    def __init__(self, path: Path, quota: Quota, weights: Quota | None = None) -> None:
        self._path = path
        self._quota = quota
        self._weights = weights
        self._writer = SqliteWriter(path, SCHEMA, away=SpoolUnavailable)
        self._reader: sqlite3.Connection | None = None
        self._empty = False  # nothing waits, as was seen in this turn of the event loop

    async def put(
        self,
        send: Send,
        *,
        message_id: str | None = None,
        idempotency_key: str | None = None,
        now: float | None = None,
        budgets: RedisBudgets | None = None,
    ) -> tuple[Spooled, bool]:
        """The send, on disk when this returns, and whether it had been put here before.

        `message_id` names an acceptance that Redis may have heard already. Raises
        `IdempotencyConflict` and `SpoolUnavailable`; `SpoolFull` where it is full, or holds all that has room in Redis by
        `budgets`. One that was raised may be repeated.
        """
        now = time.time() if now is None else now
        if message_id is None:
            key = idempotency_key
            message_id = mint() if key is None else derive(send, key, now)
        identity, content = api_id(send.connection, message_id), json.dumps(asdict(send))
        weight = weight_of(send.connection, content)

        def run(database: sqlite3.Connection) -> tuple[Spooled, bool]:
            row = _find(database, identity)
            if row is None and idempotency_key is not None:
                row = _find_key(database, send.connection, idempotency_key)
            if row is not None:
                if row[-1] != send.fingerprint.encode():
                    raise IdempotencyConflict
                return _mended(database, row[:-1], send, content), True
            self._require_room(database, send.connection, weight, budgets)
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
                    content,
                ),
            )
            place = cursor.lastrowid or 0
            return Spooled(place, message_id, now, idempotency_key, weight, send), False

        return await self._writer.call(run, writes=True)

    def _require_room(
        self, database: sqlite3.Connection, connection: str, size: int, budgets: RedisBudgets | None
    ) -> None:
        rows = dict(database.execute("SELECT connection, rows FROM counts").fetchall())
        weights = dict(database.execute("SELECT connection, bytes FROM weights").fetchall())
        try:
            _check(self._quota, connection, rows, 1)
            if self._weights is not None:
                _check(self._weights, connection, weights, size)
            if budgets is not None:
                budgets.check(connection, weights, size)
        except LimitReached as reached:
            raise SpoolFull(reached.limit, reached.scope, needed=reached.needed) from None

    def holds(self, connection: str, chat: str) -> bool:
        """Return whether sends of this chat wait here; then its next one belongs behind them.

        Called for every send, so it does not leave the thread. False if the file cannot be read.

        An answer that nothing waits at all is kept for one turn of the event loop: the calls of that turn began
        before, and a send that was put for one of them by then was found.
        """
        return bool(self._read(_HOLDS, (connection, chat)))

    def chats(self, connection: str) -> list[str]:
        """Chats of the connection that something waits for here; as `holds`, `EXCEPTED` at most."""
        return [str(chat) for (chat,) in self._read(_CHATS, (connection, EXCEPTED))]

    def _read(self, query: str, parameters: tuple[object, ...]) -> list[Any]:
        if self._empty:
            return []
        try:
            if self._reader is None:
                if not self._path.exists():
                    return []
                self._reader = sqlite3.connect(
                    f"file:{self._path}?mode=ro", uri=True, isolation_level=None
                )
            if self._reader.execute("SELECT 1 FROM spool LIMIT 1").fetchone() is None:
                self._empty = True
                asyncio.get_running_loop().call_soon(self._look_again)
                return []
            return self._reader.execute(query, parameters).fetchall()
        except sqlite3.Error:
            self._forget_reader()
            return []

    async def get(self, connection: str, message_id: str) -> Spooled | None:
        """The send with this id, if it waits here."""
        row = await self._writer.call(
            lambda db: _find(db, api_id(connection, message_id)), writes=False
        )
        try:
            return None if row is None else spooled_of(row[:-1])
        except NotASend:
            return None

    async def oldest(
        self,
        limit: int,
        without: Sequence[tuple[str, str]] = (),
        passed: Collection[str] = (),
    ) -> list[Spooled]:
        """The first in the order of acceptance, `without` those (connection, chat), and connections that are `passed`.

        It takes as long however much waits of the connections that are passed.
        A row that is no send is moved to `unreadable` instead, and the rows behind it come forward.
        """
        given = (json.dumps(list(passed)), json.dumps(list(without)), limit)
        while True:
            rows: list[Any] = await self._writer.call(
                lambda database: database.execute(_OLDEST, given).fetchall(), writes=False
            )
            found: list[Spooled] = []
            broken: list[tuple[float, int]] = []
            for row in rows:
                try:
                    found.append(spooled_of(row))
                except NotASend:
                    broken.append((time.time(), row[0]))
            if not broken:
                return found
            await self._writer.call(partial(_move, moved=broken), writes=True)

    async def unreadable(self, behind: int, limit: int) -> tuple[int, list[Record]]:
        """The endings of rows that are no sends, in the order of their moving, and the last one's number.

        `behind` is the number to go on from.
        """
        rows: list[Any] = await self._writer.call(
            lambda database: database.execute(
                "SELECT number, moved_at, CAST(id AS BLOB), CAST(chat AS BLOB), accepted_at"
                " FROM unreadable WHERE number > ? ORDER BY number LIMIT ?",
                (behind, limit),
            ).fetchall(),
            writes=False,
        )
        records = [ended(row[2:], row[1]) for row in rows]
        return rows[-1][0] if rows else behind, [each for each in records if each is not None]

    async def remove(self, moved: Sequence[Spooled]) -> None:
        """Forget what the queue has."""
        places = [(each.place,) for each in moved]
        await self._writer.call(
            lambda database: database.executemany("DELETE FROM spool WHERE place = ?", places),
            writes=True,
        )

    async def depth(self) -> Depth:
        """The number of sends in the file and since when the oldest waits, with the limits that they near."""
        row = await self._writer.call(
            lambda database: database.execute(_DEPTH).fetchone(), writes=False
        )
        count, oldest_at, unreadable, weight = row
        limits = limit_use(SPOOL_FULL, self._quota.total, count)
        if self._weights is not None:
            limits += limit_use(SPOOL_FULL, self._weights.total, weight)
        return Depth(count, oldest_at, unreadable, tuple(limits))

    async def close(self) -> None:
        """Finish what is being written, then close the file."""
        await asyncio.to_thread(self._writer.close)
        self._forget_reader()

    def _look_again(self) -> None:
        self._empty = False

    def _forget_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(sqlite3.Error):
                reader.close()


def _check(quota: Quota, connection: str, used: Mapping[str, int], size: int) -> None:
    quota.check([connection], used, size)
    # Connections that were deleted meanwhile may be more than there are parts.
    if 0 < quota.total.size < sum(used.values()) + size:
        raise quota.total.reached("instance")


def _find(database: sqlite3.Connection, identity: str) -> Any:
    return database.execute(
        f"SELECT {_COLUMNS}, CAST(fingerprint AS BLOB) FROM spool WHERE id = ?",  # noqa: S608 - constants
        (identity,),
    ).fetchone()


def _find_key(database: sqlite3.Connection, connection: str, key: str) -> Any:
    return database.execute(
        f"SELECT {_COLUMNS}, CAST(fingerprint AS BLOB) FROM spool"  # noqa: S608 - constants
        " WHERE connection = ? AND idempotency_key = ?",
        (connection, key),
    ).fetchone()


def _mended(database: sqlite3.Connection, row: Sequence[Any], send: Send, content: str) -> Spooled:
    """The row of this very send; one that cannot be read is written anew."""
    try:
        return spooled_of(row)
    except NotASend:
        database.execute(
            "UPDATE spool SET connection = ?, chat = ?, send = ? WHERE place = ?",
            (send.connection, send.chat, content, row[0]),
        )
    mended = database.execute(f"SELECT {_COLUMNS} FROM spool WHERE place = ?", row[:1])  # noqa: S608 - constants
    return spooled_of(mended.fetchone())


def _move(database: sqlite3.Connection, moved: Sequence[tuple[float, int]]) -> None:
    # Another process of the host may have been here first.
    database.executemany(
        f"INSERT INTO unreadable (moved_at, {_ROW}) SELECT ?, {_ROW} FROM spool WHERE place = ?",  # noqa: S608 - constants
        moved,
    )
    database.executemany("DELETE FROM spool WHERE place = ?", [(place,) for _, place in moved])
