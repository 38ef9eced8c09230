"""Writes the root actor's finished recoveries to SQLite or Firestore in the background, and counts each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.metrics.counters import measures
from actors.state import own_mistakes
from actors.state.documents import StoreAway
from actors.state.recovery_actions import noting, recovery_action

if TYPE_CHECKING:
    from actors.state.documents import Documents
    from actors.state.recovery_actions import Action, RecoveryDocument

log = structlog.get_logger()

ACTIONS_KEPT = 1000
RETRY_PAUSE = 1.0


class RecoveryLog:
    """Writes `recovery_actions` in the background, so that no recovery waits for the store.

    While the store is away the newest `ACTIONS_KEPT` actions wait in memory.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._waiting: deque[RecoveryDocument] = deque(maxlen=ACTIONS_KEPT)
        self._look = asyncio.Event()

    def record(
        self,
        *,
        role: str,
        cause: str,
        action: Action,
        seconds: float,
        before: str | None,
        after: str | None,
        connection: str | None = None,
        epoch_before: int | None = None,
        epoch_after: int | None = None,
    ) -> None:
        """Records a finished action; `seconds` are those from the fall to its end."""
        document = recovery_action(
            role=role,
            connection=connection,
            cause=cause,
            action=action,
            before=before,
            after=after,
            epoch_before=epoch_before,
            epoch_after=epoch_after,
            seconds=max(0.0, seconds),
            at=time.time(),
        )
        log.warning(
            "recovery",
            action="recovery",
            did=action,
            role=role,
            connection=connection,
            cause=cause,
            epoch=epoch_after,
            seconds=document["seconds"],
        )
        count(document)
        self.repeat(document)

    def repeat(self, document: RecoveryDocument) -> None:
        """Records an action that may be recorded already; it is in the history once."""
        self._waiting.append(document)
        self._look.set()

    async def run(self) -> None:
        """Writes recorded actions, for ever."""
        while True:
            await self._look.wait()
            self._look.clear()
            while self._waiting:
                document = self._waiting[0]
                try:
                    await self._store(document)
                except StoreAway:
                    await asyncio.sleep(RETRY_PAUSE)
                    continue
                with suppress(ValueError):  # pushed out by newer ones meanwhile
                    self._waiting.remove(document)

    async def _store(self, document: RecoveryDocument) -> None:
        try:
            await self._documents.batch([noting(document)])
        except ValueError as error:  # permanent, and delays no other action
            kind = type(error).__name__
            log.error("recovery not written", action="recovery_log", kind=kind)  # noqa: TRY400 - may quote
            await own_mistakes.note(self._documents, "recovery_log")


def count(document: RecoveryDocument) -> None:
    """Counts an action for Prometheus."""
    if document["action"] == "gave_up":
        measures.count("teimoso_given_up", cause=document["cause"])
        return
    role, cause = document["role"], document["cause"]
    measures.count("teimoso_restarts", role=role, cause=cause)
    measures.observe("teimoso_recovery_seconds", document["seconds"], role=role, cause=cause)
