"""A real Valkey for the loops of a served connection.

The tree's own tests start a `Head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.connection.owner.serving import Serving
from actors.connection.owner.timeouts import Timeouts
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from actors.redis.presence import Presences
from actors.runtime.connection_options import ConnectionOptions
from tests.integration.tree.scripted import ScriptedEngine, Shelf
from tests.processes.valkey import Valkey
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.queue.outbound_queue import Record
    from actors.redis.leases.leases import Lease
    from actors.runtime.limits.disk_floor import DiskFloor

OWNER = Owner("connection:a", 1, "here")
PACE = Timeouts(
    reconnect_base=0.1,
    reconnect_cap=0.4,
    heartbeat=0.2,
    grace=1.0,
    short_grace=0.3,
    last_drain=0.5,
    release=1.0,
    open_to_log_out=0.5,
)


PROVEN = ("sent", "delivered", "read")


class Served:
    """``shop``, served under a lease by a scripted engine."""

    def __init__(
        self, redis: Redis, lanes: OutboundQueue, leases: Leases, settings: Settings
    ) -> None:
        self.redis, self.lanes, self.leases = redis, lanes, leases
        self.settings = settings
        self.commands = Commands(redis, settings)
        self.presences = Presences(redis)
        self.engine, self.shelf = ScriptedEngine(), Shelf()
        self.retry_in: float = 60.0
        self.options = ConnectionOptions()

    async def begin(
        self,
        *,
        concurrency: int = 5,
        pace: Timeouts = PACE,
        connect: bool = True,
        floor: DiskFloor | None = None,
    ) -> Serving:
        self.lease = await self.leases.take("shop", OWNER)

        def retry_at(attempts: int, permanent: bool, now: float) -> float | None:
            return None if permanent else now + self.retry_in

        self.serving = Serving(
            self.lease,
            self.leases,
            self.lanes,
            self.shelf,
            concurrency=concurrency,
            retry_at=retry_at,
            pace=pace,
            commands=self.commands,
            presences=self.presences,
            options=lambda: self.options,
            floor=floor,
        )
        self.engine.events = self.serving.events
        self.serving.start(self.engine, connect=connect)
        return self.serving

    async def accept(self, text: str = "hi", chat: str = "15550100002") -> Record:
        accepted = await self.lanes.accept(Send("shop", f"{chat}@s.whatsapp.net", text))
        return accepted.record

    async def becomes(self, record: Record, status: str, seconds: float = 10) -> Record:
        """Wait for the status; a receipt may have moved a message on before one looks."""
        enough = PROVEN[PROVEN.index(status) :] if status in PROVEN else (status,)

        async def look() -> Record | None:
            found = await self.lanes.reader.get(record.id)
            return found if found is not None and found.status in enough else None

        return await eventually(f"{record.id} {status}", look, seconds)

    async def state(self, state: str) -> Lease:
        async def look() -> Lease | None:
            lease = await self.leases.read("shop")
            return lease if lease is not None and lease.state == state else None

        return await eventually(f"shop {state}", look, 10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as valkey:
        yield valkey


async def _served(server: Valkey) -> AsyncIterator[Served]:
    settings = server.settings()
    redis = connect(settings)
    await redis.flushdb()
    lanes = OutboundQueue(redis, settings)
    served = Served(redis, lanes, Leases(redis), settings)
    yield served
    if hasattr(served, "serving"):
        await served.serving.stop()
    await served.commands.close()
    await lanes.close()
    await redis.aclose()
    await redis.connection_pool.disconnect()


@pytest_asyncio.fixture
async def served(server: Valkey) -> AsyncIterator[Served]:
    async for each in _served(server):
        yield each


@pytest_asyncio.fixture
async def served_apart(own_server: Valkey) -> AsyncIterator[Served]:
    """The same on a server that the test may kill."""
    async for each in _served(own_server):
        yield each
