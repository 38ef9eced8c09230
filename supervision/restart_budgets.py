"""The restart budgets of connections, kept where they outlive the root."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import structlog

from actors.state.connections import updating
from actors.state.documents import StoreAway

if TYPE_CHECKING:
    from actors.state.documents import Document, Documents
    from supervision.policy import Intensity, Lives

log = structlog.get_logger()

FALLS = "falls"
"""The root's own field of ``whatsapp_connection_states``: the unstable lives, and when."""

AGAIN = 1.0


class Budgets:
    """The falls left to each connection; a root that dies returns no budget (G9).

    Nobody waits for the store: while it is away the newest record waits in memory, and only a root
    that dies just then forgets it.
    """

    def __init__(self, lives: Lives, documents: Documents) -> None:
        self._lives = lives
        self._documents = documents
        self._unwritten: set[str] = set()
        self._look = asyncio.Event()

    def restore(self, connection: str, document: Document | None) -> None:
        """Take over what the root before wrote; what fell since this one lives counts more."""
        known: dict[str, Any] | None = (document or {}).get(FALLS)
        if known and connection not in self._unwritten:
            now, wall = time.monotonic(), time.time()
            # No fall lies ahead, whatever the wall clock was set to.
            ages = [max(0.0, wall - at) for at in known["at"]]
            self._lives.restore(connection, [now - age for age in ages], known["streak"])

    def fell(self, connection: str, lived: float) -> None:
        """A life of `lived` seconds ended."""
        self._lives.fell(connection, lived, time.monotonic())
        self._write(connection)

    def exhausted(self, connection: str) -> bool:
        return self._lives.exhausted(connection, time.monotonic())

    def delay(self, connection: str) -> float:
        """Seconds until the next start."""
        return self._lives.delay(connection, random.random())  # noqa: S311 - spreads restarts

    def forgive(self, connection: str) -> None:
        """A person asked: the budget is whole again."""
        if self._lives.forgive(connection):
            self._write(connection)

    def try_once(self, connection: str) -> None:
        """One start more, and the next short life spends the budget again."""
        self._lives.try_once(connection, time.monotonic())
        self._write(connection)

    async def run(self) -> None:
        """Write what changed, for ever."""
        while True:
            await self._look.wait()
            self._look.clear()
            while self._unwritten:
                connection = next(iter(self._unwritten))
                record = self._lives.record(connection)
                try:
                    await self._change(connection, _plain(record))
                except StoreAway:
                    await asyncio.sleep(AGAIN)
                    continue
                if record is self._lives.record(connection):  # else it fell once more meanwhile
                    self._unwritten.discard(connection)

    def _write(self, connection: str) -> None:
        self._unwritten.add(connection)
        self._look.set()

    async def _change(self, connection: str, values: dict[str, Any] | None) -> None:
        await self._documents.batch(
            [updating(connection, lambda document: {**document, FALLS: values})]
        )


def _plain(record: Intensity | None) -> dict[str, Any] | None:
    if record is None:
        return None
    ahead = time.time() - time.monotonic()
    return {"at": [round(at + ahead, 1) for at in record.falls], "streak": record.streak}
