"""Moves the sends in a former build's `spool.db` into the Redis queue before the gateway accepts others."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from actors.queue.mirror import mirror_store
from actors.queue.outbound_queue import (
    ConnectionDeleted,
    IdempotencyConflict,
    RedisAway,
)
from actors.queue.records import Record, Send, split_id
from actors.runtime.atomic_files import held
from actors.runtime.backoff import DoublingPause
from actors.state.documents import HEALTH_STATUS, StoreAway

if TYPE_CHECKING:
    from pathlib import Path

    from actors.queue.outbound_queue import OutboundQueue
    from actors.state.documents import Documents

SENDS_PER_STEP: Final = 200
FIRST_MOVE_PAUSE, LONGEST_MOVE_PAUSE = 0.1, 5.0  # seconds until the next try, which double

log = structlog.get_logger()


class _SpooledSend(NamedTuple):
    send: Send
    record: Record
    key: str | None


class FormerSpool:
    """Each row is in Redis, on disk, before the file goes (G1); in their order (G4), and no other send is accepted before.

    A death in between moves them again, harmlessly: each has its message id. A row that is no send stays in the file,
    which is then kept under another name and reported in the log.
    """

    def __init__(self, path: Path, lanes: OutboundQueue, documents: Documents) -> None:
        self._path = path
        self._lanes = lanes
        self._documents = documents
        self.moved = not path.exists()
        """Whether sends may be accepted."""

    async def run(self) -> None:
        """Return once all are moved, by this process or by another one of the host."""
        pause = DoublingPause(FIRST_MOVE_PAUSE, LONGEST_MOVE_PAUSE)
        while not self.moved:
            try:
                with held(self._path.with_suffix(".lock")) as ours:
                    if ours and self._path.exists():
                        await self._move()
                self.moved = not self._path.exists()
            except (RedisAway, StoreAway, OSError, sqlite3.Error) as error:
                log.warning("former spool waits", action="former_spool", error=type(error).__name__)
            if not self.moved:
                await asyncio.sleep(pause.next())

    async def _move(self) -> None:
        place = count = unreadable = 0
        while rows := await asyncio.to_thread(_rows, self._path, place):
            for place, *columns in rows:  # noqa: B007 - the next step begins behind the last one
                if (row := _row(*columns)) is None:
                    unreadable += 1
                else:
                    await self._accept(row)
                    count += 1
        log.info("former spool moved", action="former_spool", count=count)
        await self._documents.delete(HEALTH_STATUS, f"spool.{socket.gethostname()}")
        if unreadable:
            kept = self._path.with_suffix(".unreadable")
            log.error("sends not readable", action="former_spool", count=unreadable, file=kept.name)
            self._path.rename(kept)
        else:
            self._path.unlink()

    async def _accept(self, row: _SpooledSend) -> None:
        record = row.record
        try:
            await self._lanes.accept(
                row.send,
                message_id=record.message_id,
                idempotency_key=row.key,
                now=record.accepted_at,
                limited=False,
            )
        except (ConnectionDeleted, IdempotencyConflict) as error:
            ended = replace(
                record,
                status="cancelled",
                error=error.code,
                times={**record.times, "cancelled": time.time()},
            )
            await mirror_store.store(self._documents, [ended])


def _rows(path: Path, behind: int) -> list[Any]:
    with closing(sqlite3.connect(path, timeout=5)) as database:
        database.text_factory = bytes  # one that is not UTF-8 would end the query
        return database.execute(
            "SELECT place, id, accepted_at, idempotency_key, send FROM spool WHERE place > ?"
            " ORDER BY place LIMIT ?",
            (behind, SENDS_PER_STEP),
        ).fetchall()


def _row(id: bytes, accepted_at: float, key: bytes | None, content: bytes) -> _SpooledSend | None:  # noqa: A002
    """The message of a row; None for one that holds no send."""
    try:
        send = Send(**json.loads(content.decode()))
        names = split_id(id.decode())
        if names is None or names[0] != send.connection:
            return None
        record = Record(
            id=id.decode(),
            message_id=names[1],
            connection=send.connection,
            chat=send.chat,
            type=send.type,
            text=send.text,
            priority=send.priority,
            status="queued",
            attempts=0,
            error=None,
            uncertain=False,
            accepted_at=float(accepted_at),
            send_at=send.send_at,
            times={"queued": float(accepted_at)},
            content=send.content,
        )
        return _SpooledSend(send, record, None if key is None else key.decode())
    except (ValueError, TypeError, AttributeError):
        return None
