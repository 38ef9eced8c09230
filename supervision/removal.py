"""Removes a deleted connection in the root actor: Redis queue, session, backups, contacts, chats; stored messages stay."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from actors.connection.backup import stranded_inbox
from actors.connection.owner.sender import Ticket
from actors.queue.mirror import mirror_store
from actors.queue.queue_errors import ConnectionDeleted
from actors.runtime.connection_ids import name_of
from actors.state.account.app_state_pages import forget
from actors.state.documents import CONNECTIONS, RECORDS_PER_BATCH, StoreAway
from actors.state.fencing import newest_epoch
from actors.state.tenants.ended_grants import end_limited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.connection.backup.vault import Vault
    from actors.connection.state_manager.port import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from supervision.registry import Registry

DELETED = ConnectionDeleted.code
"""The error of messages that ended with their connection."""


class Removal:
    """Ends queued messages visibly, then deletes the rest; the name is free only at the very end (G2, G12).

    Sends are refused from the first step on, and at last owners too. Messages stay until their
    retention ends, under the id, which no other connection gets; received items that only the session
    has are stored before its deletion (G5). Contacts, chats and labels are deleted, and so are API keys
    and webhooks for this connection alone.

    Each step may be repeated, so that the next root finishes the removal that a dead one began. Raises
    `RedisAway`, `StoreAway` and `BucketAway`, and then nothing is deleted that is not mirrored.
    """

    def __init__(
        self,
        registry: Registry,
        leases: Leases,
        lanes: OutboundQueue,
        documents: Documents,
        sessions: Path,
        *,
        state: State,
        traces: Path,
        vault: Vault | None,
        on_removed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`vault` may have copies of the session. `on_removed` is called after all other steps."""
        self._on_removed = on_removed
        self._vault = vault
        self._registry = registry
        self._leases = leases
        self._lanes = lanes
        self._state = state
        self._documents = documents
        self._sessions, self._traces = sessions, traces

    async def begin(self, connection: str) -> None:
        """Makes Redis refuse sends and claims, if the connection is deleted in the store.

        Does nothing while the store is away, since the cached state may be old. Raises `RedisAway`.
        """
        with suppress(StoreAway):
            if await self._registry.is_deleted(connection):
                await self._leases.delete(connection)

    async def remove(self, connection: str) -> None:
        """Removes a connection that no process serves any more."""
        await self._leases.delete(connection)
        while True:
            await self._lanes.abandon(connection, DELETED)
            await self._mirror(connection)
            await self._drain(connection)
            # Another round for a dead letter that was queued again meanwhile, or a send that a receipt confirmed.
            if await self._lanes.remove(connection):
                break
        if self._vault is not None:
            await self._vault.forget(connection)
        directory = self._sessions / connection
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        for trace in await asyncio.to_thread(list, self._traces.glob(f"{connection}.jsonl*")):
            with suppress(OSError):
                trace.unlink()
        await self._leases.forget(connection)
        await end_limited(self._documents, connection)
        await forget(self._documents, connection)
        self._on_removed(
            connection
        )  # before the name is free, so that a new connection starts without them
        await self._registry.remove(connection)

    async def _drain(self, connection: str) -> None:
        """Stores the items that only the session has. Raises `StoreAway` until all are stored.

        Messages that the queue mirrored before are merged with their chat as well.
        """
        document = await self._documents.get(CONNECTIONS, name_of(connection)) or {}
        ticket = Ticket(connection, newest_epoch(document))
        directory = self._sessions / connection
        if not await stranded_inbox.empty(ticket, directory, self._lanes, self._state):
            raise StoreAway

    async def _mirror(self, connection: str) -> None:
        # The QueueActor skips deleted connections.
        while records := await self._lanes.reader.changed(connection, RECORDS_PER_BATCH):
            lacking = await mirror_store.store(self._documents, records)
            await self._lanes.reader.mirrored(connection, records, lacking)
