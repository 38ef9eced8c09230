"""What is desired of each connection, as last read, and what of it was acted upon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from actors.state.connections import Connections
from actors.state.documents import CONNECTIONS, StoreAway
from supervision.reconcile import Applied

if TYPE_CHECKING:
    from actors.state.connections import Connection, Observed
    from actors.state.documents import Document, Documents
    from supervision.budgets import Budgets

log = structlog.get_logger()

READ = 5.0
"""Seconds after which the store counts as away."""

APPLIED = "applied"
"""The root's own field of ``whatsapp_connection_states``: the counters that it acted upon."""


class Registry:
    """The desired state, kept while the store is away (G11).

    `applied` outlives the root: a restarted one does not act twice on what was asked once.
    """

    def __init__(self, documents: Documents, budgets: Budgets) -> None:
        """`budgets` are told what the root before knew of each connection."""
        self._documents = documents
        self._budgets = budgets
        self._connections = Connections(documents)
        self._applied: dict[str, Applied] = {}
        self.wanted: dict[str, Connection] = {}

    async def refresh(self) -> bool:
        """Read what is desired; False, and nothing changed, when the store does not answer."""
        try:
            async with asyncio.timeout(READ):
                page = await self._connections.list(deleted=True)
                wanted = {each.id: each for each in page.items}
                for connection in wanted.keys() - self._applied.keys():
                    self._applied[connection] = await self._read_applied(connection)
        except (StoreAway, TimeoutError) as error:
            log.warning("store away", action="refresh", error=type(error).__name__)
            return False
        for gone in self._applied.keys() - wanted.keys():
            del self._applied[gone]
        self.wanted = wanted
        return True

    def applied(self, connection: str) -> Applied:
        return self._applied.get(connection, Applied())

    async def apply(self, wanted: Connection) -> None:
        """What was asked for so far was acted upon. What the store misses, it is told next time."""
        applied = Applied(wanted.generation, wanted.recover)
        if self._applied.get(wanted.id) == applied:
            return
        self._applied[wanted.id] = applied
        values = {"generation": applied.generation, "recover": applied.recover}

        def change(document: Document | None) -> Document | None:
            return None if document is None else {**document, APPLIED: values}

        try:
            await self._documents.change(CONNECTIONS, wanted.id, change)
        except StoreAway:
            log.warning("store away", action="apply", connection=wanted.id)

    async def observe(self, connection: str, observed: Observed) -> None:
        """Say what a connection without an actor is."""
        try:
            await self._connections.observe(connection, observed)
        except StoreAway:
            log.warning("store away", action="observe", connection=connection)

    async def is_deleted(self, connection: str) -> bool:
        """Whether the connection is marked as deleted now. Raises `StoreAway`."""
        now = await self._connections.get(connection, deleted=True)
        if now is not None and now.deleted:
            return True
        self.wanted.pop(connection, None)
        return False

    async def remove(self, connection: str) -> None:
        """The deleted connection is gone. Raises `StoreAway`."""
        await self._connections.remove(connection)
        self.wanted.pop(connection, None)
        self._applied.pop(connection, None)

    async def _read_applied(self, connection: str) -> Applied:
        document = await self._documents.get(CONNECTIONS, connection)
        self._budgets.restore(connection, document)
        known = (document or {}).get(APPLIED)
        return Applied(**known) if known else Applied()
