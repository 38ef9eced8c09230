"""Counts each connection's falls in the root actor, and stores them in SQLite or Firestore for the next root."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import structlog

from actors.state import own_mistakes
from actors.state.connections import updating
from actors.state.documents import StoreAway

if TYPE_CHECKING:
    from actors.state.documents import Document, Documents
    from supervision.restarts.policy import Intensity, RestartRecords

log = structlog.get_logger()

FALLS_FIELD = "falls"
"""The field of ``whatsapp_connection_states`` with the falls of a connection and their times."""

RETRY_PAUSE = 1.0


class RestartBudgets:
    """The falls that count against each connection; the death of a root forgives none (G9).

    No restart waits for the store: while it is away the newest record waits in memory, and is lost
    only with a root that dies in that time.
    """

    def __init__(self, lives: RestartRecords, documents: Documents) -> None:
        self._lives = lives
        self._documents = documents
        self._unwritten: set[str] = set()
        self._look = asyncio.Event()

    def restore(self, connection: str, document: Document | None) -> None:
        """Restores the record of a previous root, unless this root has a newer one that is not written yet."""
        falls: dict[str, Any] | None = (document or {}).get(FALLS_FIELD)
        if falls and connection not in self._unwritten:
            now, wall = time.monotonic(), time.time()
            # No fall is in the future, even if the wall clock was set back.
            ages = [max(0.0, wall - at) for at in falls["at"]]
            self._lives.restore(connection, [now - age for age in ages], falls["streak"])

    def fell(self, connection: str, lived: float) -> None:
        """Counts a fall after `lived` seconds."""
        self._lives.fell(connection, lived, time.monotonic())
        self._write(connection)

    def exhausted(self, connection: str) -> bool:
        """Whether the connection fell more often than its restart intensity permits, so that it is given up."""
        return self._lives.exhausted(connection, time.monotonic())

    def delay(self, connection: str) -> float:
        """Returns the seconds until the next start."""
        return self._lives.delay(connection, random.random())  # noqa: S311 - spreads restarts

    def forgive(self, connection: str) -> None:
        """Restores the whole budget, at a person's request."""
        if self._lives.forgive(connection):
            self._write(connection)

    def try_once(self, connection: str) -> None:
        """Allows one start more; the next unstable life exhausts the budget again."""
        self._lives.try_once(connection, time.monotonic())
        self._write(connection)

    async def run(self) -> None:
        """Writes changed records, for ever."""
        while True:
            await self._look.wait()
            self._look.clear()
            while self._unwritten:
                connection = next(iter(self._unwritten))
                record = self._lives.record(connection)
                try:
                    await self._store(connection, record)
                except StoreAway:
                    await asyncio.sleep(RETRY_PAUSE)
                    continue
                if record is self._lives.record(connection):  # unless it fell once more meanwhile
                    self._unwritten.discard(connection)

    def _write(self, connection: str) -> None:
        self._unwritten.add(connection)
        self._look.set()

    async def _store(self, connection: str, record: Intensity | None) -> None:
        try:
            await self._change(connection, _plain(record))
        except ValueError as error:  # permanent, and delays no other connection
            log.error("falls not written", action="falls", kind=type(error).__name__)  # noqa: TRY400 - may quote
            await own_mistakes.note(self._documents, "falls")

    async def _change(self, connection: str, values: dict[str, Any] | None) -> None:
        await self._documents.batch(
            [updating(connection, lambda document: {**document, FALLS_FIELD: values})]
        )


def _plain(record: Intensity | None) -> dict[str, Any] | None:
    if record is None:
        return None
    ahead = time.time() - time.monotonic()
    return {"at": [round(at + ahead, 1) for at in record.falls], "streak": record.streak}
