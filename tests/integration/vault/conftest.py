"""A connection's actor without Ray, on a Valkey, a simulator and a bucket that are real processes."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.actor import ConnectionActor
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.state.connection_document import ENGINE
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, chat, until
from tests.integration.tree.scripted import Shelf
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.backup.vault import Vault
    from actors.redis.leases.leases import Lease

KEY = "5e" * 32
SHOP = "shop"


class Host:
    """One host: a disk of its own, and the actors that run on it."""

    def __init__(self, world: World, name: str, **settings: Any) -> None:
        self.data = world.root / name
        self.data.mkdir()
        self.world = world
        self.settings = world.settings(**settings).model_copy(update={"data": self.data})
        self.settings.save()

    @property
    def file(self) -> Path:
        return self.settings.sessions / SHOP / "session.db"

    def lose_disk(self) -> None:
        shutil.rmtree(self.settings.sessions)

    @asynccontextmanager
    async def serves(self, *, clean: bool = True) -> AsyncIterator[ConnectionActor]:
        """An actor that serves the shop; without `clean` it is cut off as by a kill."""
        actor = ConnectionActor(str(self.data), f"connection:{self.data.name}")
        await actor.start()
        actor._state = self.world.shelf  # type: ignore[assignment]
        try:
            await actor.serve(SHOP, ENGINE)
            yield actor
        finally:
            serving = actor._serving
            if not clean and serving is not None:
                serving.lose("lost")  # closes, and says and copies nothing more
                await serving.ended()
            await actor.stop()


class World:
    """The systems outside of all hosts: WhatsApp, Redis, the state store, the bucket."""

    def __init__(self, root: Path, valkey: Valkey, simulator: Simulator) -> None:
        self.root = root
        self.valkey, self.simulator = valkey, simulator
        self.shelf = Shelf()
        self.redis = connect(valkey.settings())
        self.leases = Leases(self.redis)
        self.bucket = root / "bucket"
        self.bucket.mkdir()

    def settings(self, **more: Any) -> Settings:
        return self.valkey.settings(
            whatsapp_url=self.simulator.ws_url,
            whatsapp_root_key=self.simulator.root_key,
            **{
                "storage_bucket": str(self.bucket),
                "session_encryption_key": KEY,
                "session_backup_interval": 3_600_000,
                "restart_backoff_base": 100,
                **more,
            },
        )

    @property
    def vault(self) -> Vault:
        settings = self.settings()
        return open_vault(settings, open_bucket(settings))

    async def lease(self) -> Lease:
        lease = await self.leases.read(SHOP)
        assert lease is not None
        return lease

    async def opened(self) -> Lease:
        async def look() -> Lease | None:
            lease = await self.leases.read(SHOP)
            return lease if lease is not None and lease.state == "open" else None

        found: Lease = await until(look)
        return found

    async def pair(self) -> Lease:
        qr = await until(lambda: self.leases.qr(SHOP))
        await self.simulator.scan(ACCOUNT, qr[0])
        return await self.opened()

    async def hear(self, text: str, contact: str = CONTACT) -> None:
        """The contact says it, and the state store has it."""
        await self.simulator.say(contact, ACCOUNT, text)
        await until(lambda: text in self.texts)

    @property
    def texts(self) -> list[str]:
        """Returns the texts in the state store, in the order in which they came."""
        return [item["text"] for item in self.shelf.messages.values()]

    async def send(self, actor: ConnectionActor, text: str, contact: str = CONTACT) -> None:
        """Send through the queue, and see that the contact could read it."""
        from actors.queue.outbound_queue import Send

        await actor._lanes.accept(Send(SHOP, chat(contact), text))
        await until(lambda: self.arrived(text, contact))

    async def arrived(self, text: str, contact: str = CONTACT) -> bool:
        return text in [item["text"] for item in await self.simulator.inbox(contact)]

    async def copied(self, epoch: int, seconds: float = 20.0) -> None:
        """Wait until the vault has the session of that epoch as it is."""

        async def look() -> bool:
            copies = await self.vault.copies(SHOP)
            return bool(copies) and copies[-1].position.epoch == epoch

        await until(look, seconds)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture
async def world(tmp_path: Path, valkey: Valkey, logs_as_before: None) -> AsyncIterator[World]:
    simulator = Simulator.start(tmp_path / "simulator")
    made = World(tmp_path, valkey, simulator)
    await made.redis.flushdb()
    try:
        yield made
    finally:
        await simulator.stop()
        await made.redis.aclose()


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    directory = tmp_path / "bucket"
    directory.mkdir()
    return directory
