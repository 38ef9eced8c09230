"""Implements the documents interface of the state store on one SQLite file, shared by processes of one host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any, TypeVar

from actors.runtime.sqlite_writer import SqliteWriter
from actors.state.documents import (
    EVENT_LOG,
    HEAD,
    Page,
    StoreAway,
    Write,
    WriteRefused,
    check_batch,
    size_of,
)
from actors.state.events.outbox import is_wanted, packed
from actors.state.fields import merge
from actors.state.queries import check_address
from actors.state.sqlite import stored_bytes
from actors.state.sqlite.statements import TABLE, compile_advance, compile_query, indexes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from actors.state.documents import Change, Cursor, Document, Order, Where
    from actors.state.events.event import Event

T = TypeVar("T")

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class SqliteDocuments:
    """The documents port on a file that several processes share; durable when a call returns."""

    def __init__(self, path: Path) -> None:
        self._writer = SqliteWriter(
            path, (TABLE, *indexes(), *stored_bytes.schema()), away=StoreAway
        )

    @property
    def billed(self) -> bool:
        return False

    async def get(self, collection: str, id: str) -> Document | None:  # noqa: A002
        check_address(collection, id)
        return await self._writer.call(
            lambda database: _read(database, collection, id), writes=False
        )

    async def set(
        self,
        collection: str,
        id: str,  # noqa: A002
        data: Mapping[str, Any],
        *,
        merge: bool = False,
    ) -> None:
        await self.batch([Write("merge" if merge else "set", collection, id, data)])

    async def create(self, collection: str, id: str, data: Mapping[str, Any]) -> bool:  # noqa: A002
        apply = _applier(Write("create", collection, id, data))
        return await self._write(apply)

    async def change(self, collection: str, id: str, change: Change) -> Document | None:  # noqa: A002
        apply = _applier(Write("change", collection, id, change=change))

        def run(database: sqlite3.Connection) -> Document | None:
            apply(database)
            return _read(database, collection, id)

        return await self._write(run)

    async def delete(self, collection: str, id: str) -> None:  # noqa: A002
        await self.batch([Write("delete", collection, id)])

    async def batch(self, writes: Sequence[Write]) -> None:
        check_batch(writes)
        applies = [(write, _applier(write)) for write in writes]
        telling = any(write.events for write in writes)

        def run(database: sqlite3.Connection) -> None:
            now = time.time()
            head = _read(database, EVENT_LOG, HEAD) if telling else None
            if not is_wanted(head):
                for _, apply in applies:
                    apply(database)
                return
            events: list[Event] = []
            for write, apply in applies:
                events += _applied(database, write, apply)
            for collection, identity, data in packed(head, events, now):
                _put(database, collection, identity, _encode(identity, data))

        if applies:
            await self._write(run)

    async def query(
        self,
        collection: str,
        *,
        where: Sequence[Where] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        most_bytes: int | None = None,
        after: Cursor | None = None,
    ) -> Page:
        statement = compile_query(collection, where, order, limit, after)

        def run(database: sqlite3.Connection) -> Page:
            items: list[Document] = []
            size = 0
            with contextlib.closing(database.execute(statement.sql, statement.parameters)) as rows:
                for identity, data in rows:
                    if len(items) == limit or (most_bytes is not None and size >= most_bytes):
                        return Page(items, statement.request.cursor(items[-1]))
                    size += size_of(data)
                    items.append({**json.loads(data), "id": identity})
            return Page(items, None)

        return await self._writer.call(run, writes=False)

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.close)

    async def _write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._writer.call(run, writes=True)
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            # Its name only: the text could quote what was to be stored.
            raise WriteRefused(error.sqlite_errorname) from None


def _applied(
    database: sqlite3.Connection, write: Write, apply: Callable[[sqlite3.Connection], bool]
) -> Sequence[Event]:
    """Apply a write; return its events."""
    if write.events is None:
        apply(database)
        return ()
    before = _read(database, write.collection, write.id)
    if not apply(database):
        return ()
    after = _read(database, write.collection, write.id)
    return () if after == before else write.events(before, after)


def _applier(write: Write) -> Callable[[sqlite3.Connection], bool]:
    """The write as a step of a transaction; True if it wrote. Raises `ValueError` here, early."""
    collection, identity = write.collection, write.id
    check_address(collection, identity)
    # The caller may go on changing its data; but for a merge it is encoded here.
    data = dict(write.data) if write.op == "merge" else write.data
    text = "" if write.op in ("delete", "change") else _encode(identity, data)
    advance = compile_advance(write.by, write.keep) if write.op == "advance" else ""

    def apply(database: sqlite3.Connection) -> bool:
        if write.op == "delete":
            database.execute(
                "DELETE FROM documents WHERE collection = ? AND id = ?", (collection, identity)
            )
        elif write.op == "set":
            _put(database, collection, identity, text)
        elif write.op == "create":
            cursor = database.execute(
                "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (collection, identity, text),
            )
            return cursor.rowcount == 1
        elif write.op == "advance":
            # Decided by SQLite: reading, decoding and writing each is twice the work.
            return database.execute(advance, (collection, identity, text)).rowcount == 1
        elif write.op == "merge":
            merged = merge(_read(database, collection, identity) or {}, data)
            _put(database, collection, identity, _encode(identity, merged))
        else:
            assert write.change is not None, "a change without its function"
            changed = write.change(_read(database, collection, identity))
            if changed is None:
                return False
            _put(database, collection, identity, _encode(identity, changed))
        return True

    return apply


def _read(database: sqlite3.Connection, collection: str, identity: str) -> Document | None:
    row = database.execute(
        "SELECT data FROM documents WHERE collection = ? AND id = ?", (collection, identity)
    ).fetchone()
    return None if row is None else {**json.loads(row[0]), "id": identity}


def _put(database: sqlite3.Connection, collection: str, identity: str, text: str) -> None:
    database.execute(
        "INSERT INTO documents VALUES (?, ?, ?) "
        "ON CONFLICT (collection, id) DO UPDATE SET data = excluded.data",
        (collection, identity, text),
    )


def _encode(identity: str, data: Mapping[str, Any]) -> str:
    if data.get("id", identity) != identity:
        raise ValueError("the data names another id")
    fields = data
    if "id" in data:
        fields = {name: value for name, value in data.items() if name != "id"}
    if not {str}.issuperset(map(type, fields)):
        raise ValueError("a field name is a string")
    try:
        text = _JSON.encode(fields)
    except (TypeError, RecursionError):
        raise ValueError("the data is not JSON") from None
    text.encode()  # a lone surrogate is a ValueError here, not in the store's thread
    return text
