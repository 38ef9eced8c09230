"""Caches the registered connections in the gateway's memory; a send reads SQLite or Firestore for an unknown one alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from actors.redis.client import RedisAway
from actors.runtime.connection_ids import name_of
from actors.state import own_mistakes
from actors.state.caches.cached_collection import CachedCollection
from actors.state.connections import Connections, of_document
from actors.state.documents import CONNECTIONS, StoreAway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from actors.state.caches.local_copies import LocalCopy
    from actors.state.connections import Connection
    from actors.state.documents import Document, Documents

REFRESH, BILLED_REFRESH = 2.0, 30.0
"""Seconds: how late a change is noticed whose poke was lost; the second where reading is paid for."""

log = structlog.get_logger()


class ConnectionCache:
    """The registry's last answer: renewed on every poke and every `REFRESH` seconds.

    While the store is away, what was known stays known. Only a name that is not known is asked of
    the store, since another process may have created it just now. Where the store was not there
    from the start, what the data directory has a copy of is known.
    """

    def __init__(
        self,
        documents: Documents,
        pokes: Callable[[], AsyncIterator[None]],
        copy: LocalCopy,
    ) -> None:
        self._documents = documents
        self._registry = Connections(documents)
        self._stored = CachedCollection(documents, CONNECTIONS, copy, self._take)
        self._pokes = pokes
        self._every = BILLED_REFRESH if documents.billed else REFRESH
        self._connections: dict[str, Connection] = {}
        self._changes = self._changes_before = 0
        self._wake = asyncio.Event()
        self.loaded = False  # the registry, or its copy, was read at least once

    @property
    def fresh(self) -> bool:
        """Whether the last read succeeded: the store answers."""
        return self._stored.fresh

    def all(self) -> list[Connection]:
        """All connections by name; raises `StoreAway` before they were read once."""
        if not self.loaded:
            raise StoreAway("not read yet")
        return sorted(self._connections.values(), key=lambda connection: connection.name)

    @property
    def ids(self) -> frozenset[str] | None:
        """The ids of all; None before they were read once."""
        if not self.loaded:
            return None
        return frozenset(connection.id for connection in self._connections.values())

    def put(self, connection: Connection) -> None:
        """Remember what this process wrote itself."""
        self._changes += 1
        if not connection.deleted:
            self._connections[connection.name] = connection
        elif self._has(connection.name, connection.id):
            del self._connections[connection.name]

    async def find(self, named: str) -> Connection | None:
        """The connection of that name or id; None if there is none.

        Raises `StoreAway` if nobody can say.
        """
        name = name_of(named)
        if self._has(name, named):
            return self._connections[name]
        return await self.renewed(named)

    async def exists(self, connection: str) -> bool:
        """Whether the connection with this very id is there; as `find`."""
        found = await self.find(connection)
        return found is not None and found.id == connection

    async def renewed(self, named: str) -> Connection | None:
        """As `find`, by the registry: the cached one may be deleted."""
        name = name_of(named)
        found = await self._registry.get(named)
        if found is not None and found != self._connections.get(name):
            self.put(found)
        elif found is None and self._has(name, named):
            self._changes += 1
            del self._connections[name]
        return found

    def _has(self, name: str, named: str) -> bool:
        connection = self._connections.get(name)
        return connection is not None and named in (name, connection.id)

    async def refresh(self) -> None:
        """Read the registry; the last answer stays when the store is away."""
        self._changes_before = self._changes
        await self._stored.refresh()

    def _take(self, documents: Sequence[Document]) -> None:
        # A write of this process may be younger than the answer: the next round has both.
        if self._changes_before == self._changes:
            there = [of_document(item) for item in documents if not item["deleted"]]
            self._connections = {connection.name: connection for connection in there}
            self.loaded = True

    async def run(self) -> None:
        """Keep the copy fresh until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            while True:
                self._wake.clear()
                try:
                    await self.refresh()
                except Exception:  # not foreseen; without this loop no change would be seen again
                    log.exception("connections not refreshed", action="refresh_connections")
                    await own_mistakes.note_once(self._documents, "refresh_connections")
                try:
                    # A store that is away is looked for as often everywhere.
                    async with asyncio.timeout(self._every if self.fresh else REFRESH):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._pokes():
                    self._wake.set()
            except RedisAway:
                pass  # pokes are a courtesy: the interval finds every change
            except Exception:
                log.exception("change notifications not received", action="listen_to_pokes")
                await own_mistakes.note_once(self._documents, "listen_to_pokes")
            await asyncio.sleep(REFRESH)
