"""Caches connections' desired states from SQLite or Firestore for the root actor, and writes its results there."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.state.caches.cached_collection import CachedCollection
from actors.state.connection_document import Observed
from actors.state.connections import Connections, of_document, updating
from actors.state.documents import CONNECTIONS, StoreAway
from supervision.reconcile import Applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.redis.leases.leases import Lease
    from actors.state.caches.local_copies import LocalCopy
    from actors.state.connections import Connection
    from actors.state.documents import Document, Documents
    from supervision.restarts.restart_budgets import RestartBudgets

log = structlog.get_logger()

BILLED_EVERY = 30.0
"""Seconds between two reads without a request, for a store with paid reads."""

APPLIED = "applied"
"""The field of ``whatsapp_connection_states`` with the counters of handled requests."""


class Registry:
    """The desired state, cached while the store is away (G11); from the local copy without the store at the start.

    `applied` outlives the root: a restarted one does not handle a request twice.
    """

    def __init__(self, documents: Documents, budgets: RestartBudgets, copy: LocalCopy) -> None:
        """`budgets` gets the stored record of each connection."""
        self._stored = CachedCollection(documents, CONNECTIONS, copy, self._take)
        self._documents = documents
        self._budgets = budgets
        self._connections = Connections(documents)
        self._applied: dict[str, Applied] = {}
        self.wanted: dict[str, Connection] = {}

    async def refresh(self, *, requested: bool = True) -> bool:
        """Reads the desired state; returns False, and changes nothing, without an answer of the store.

        A store with paid reads is read when `requested`, otherwise every `BILLED_EVERY` seconds.
        """
        read_at = self._stored.read_at
        fresh = read_at is not None and time.monotonic() - read_at < BILLED_EVERY
        if fresh and self._documents.billed and not requested:
            return True
        return await self._stored.refresh()

    def _take(self, documents: Sequence[Document]) -> None:
        wanted = {}
        for document in documents:
            connection = of_document(document)
            wanted[connection.id] = connection
            if connection.id not in self._applied:
                self._applied[connection.id] = self._read_applied(connection.id, document)
        for gone in self._applied.keys() - wanted.keys():
            del self._applied[gone]
        self.wanted = wanted

    def applied(self, connection: str) -> Applied:
        """The requests of a connection that were carried out, by their counters."""
        return self._applied.get(connection, Applied())

    async def apply(self, wanted: Connection) -> None:
        """Records the requests as handled. A record that fails is written by the next call."""
        applied = Applied(wanted.generation, wanted.recover)
        if self._applied.get(wanted.id) == applied:
            return
        self._applied[wanted.id] = applied
        values = {"generation": applied.generation, "recover": applied.recover}

        write = updating(wanted.id, lambda document: {**document, APPLIED: values})
        try:
            await self._documents.batch([write])
        except StoreAway:
            log.warning("store away", action="apply", connection=wanted.id)

    async def observe(
        self, connection: str, state: str, cause: str | None, lease: Lease | None
    ) -> None:
        """Writes the observed state of a connection without an actor, after the owner in the lease."""
        observed = Observed(state, cause, since=time.time())
        if lease is not None:
            observed = replace(
                observed,
                epoch=lease.epoch,
                account=lease.account,
                restarts=lease.restarts,
                beat=lease.beat,
            )
        try:
            await self._connections.observe(connection, observed)
        except StoreAway:
            log.warning("store away", action="observe", connection=connection)

    async def is_deleted(self, connection: str) -> bool:
        """Returns whether the connection is marked as deleted now. Raises `StoreAway`."""
        now = await self._connections.get(connection, deleted=True)
        if now is not None and now.id == connection and now.deleted:
            return True
        self.wanted.pop(connection, None)
        return False

    async def remove(self, connection: str) -> None:
        """Deletes the registration of a removed connection. Raises `StoreAway`."""
        await self._connections.remove(connection)
        self.wanted.pop(connection, None)
        self._applied.pop(connection, None)

    def _read_applied(self, connection: str, document: Document) -> Applied:
        self._budgets.restore(connection, document)
        applied = document.get(APPLIED)
        return Applied(**applied) if applied else Applied()
