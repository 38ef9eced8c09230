"""An instance's directory with a real Valkey, state store, spool and files, without processes of its own."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from actors.connection.backup.keyring import Keyring
from actors.connection.backup.open_vault import open_target
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.state.connections import Connections
from actors.state.documents import MESSAGES
from actors.state.open_store import open_documents
from gateway.cli.app import app
from supervision.backup import creation
from supervision.backup.backup_store import BackupStore
from supervision.keeper.manifest import Plan
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.documents import Documents

SHOP = "shop--K7Q2M9XA4TBC"
ANA = "15550100002@s.whatsapp.net"
KEY, OTHER = "5e" * 32, "6f" * 32
EPOCH = 3
WORDS = "nobody but the recipient reads this"


@dataclass
class Place:
    """The instance in `data`, and commands about it."""

    data: Path
    settings: Settings
    target: Path

    def do(self, work: Callable[[Redis, Documents], Awaitable[Any]]) -> Any:
        async def done() -> Any:
            redis, documents = connect(self.settings), open_documents(self.settings)
            try:
                return await work(redis, documents)
            finally:
                await documents.close()
                await redis.aclose()

        return asyncio.run(done())

    def accept(self, *texts: str) -> list[str]:
        """Messages that wait in the queue; their API ids."""

        async def work(redis: Redis, _: Documents) -> list[str]:
            queue = OutboundQueue(redis, self.settings)
            sends = (Send(SHOP, ANA, text=text) for text in texts)
            return [(await queue.accept(send)).record.id for send in sends]

        found: list[str] = self.do(work)
        return found

    def show(self, id_: str, **fields: Any) -> None:
        """Let the state store have a message so."""

        async def work(_: Redis, documents: Documents) -> None:
            await documents.set(MESSAGES, id_, {"connection": SHOP, "revision": 1, **fields})

        self.do(work)

    def back_up(self, *words: str) -> dict[str, Any]:
        done = run(self.data, "backup", "create", "--to", str(self.target), *words, "--json")
        assert done[0] == 0, done
        made: dict[str, Any] = json.loads(done[1])
        return made

    def back_up_at(self, now: float, *, keep: int | None = None) -> str:
        """The name of a backup that is made while this host's clock shows `now`."""

        async def work(_: Redis, __: Documents) -> str:
            with pytest.MonkeyPatch.context() as patch:
                began, real = time.monotonic(), time.monotonic
                patch.setattr("time.time", lambda: now + real() - began)
                store = BackupStore(open_target(str(self.target)), Keyring.of(KEY))
                made = await creation.create(self.settings, store, runs=True, keep=keep)
            return str(made.name)

        name: str = self.do(work)
        return name

    def restore(self, into: Path, *words: str, key: str = KEY) -> tuple[int, str]:
        """Exit status, and what the command says."""
        named = {"SESSION_ENCRYPTION_KEY": key}
        status, told, said = run(into, "restore", str(self.target), *words, environment=named)
        return status, " ".join((told + said).split())

    def content(self) -> list[Path]:
        return sorted(file for file in self.target.glob("content/*/media/*/*") if file.is_file())


def run(data: Path, *words: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words, "--data", str(data)], env=environment)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Place:
    data = tmp_path / "first"
    data.mkdir()
    settings = valkey.settings(session_encryption_key=KEY, dead_letter_retention_days=3)
    settings = settings.model_copy(update={"data": data})
    settings.save()
    # Its Valkey is asked as another server's would be, and restored as the embedded one.
    Plan(port=8090, valkey=False).save(data)
    monkeypatch.setattr(creation, "PIECE_BYTES", 20_000)  # a small file has several pieces too
    made = Place(data, settings, tmp_path / "target")

    async def begin(redis: Redis, documents: Documents) -> None:
        await redis.flushall()
        await Connections(documents).create("shop", id=SHOP)

    made.do(begin)
    Session.open(data / "sessions" / SHOP / SESSION_FILE, EPOCH).close()
    digest = "ab" * 32
    (data / "media" / digest[:2]).mkdir(parents=True)
    (data / "media" / digest[:2] / digest).write_bytes(b"a picture" * 9_000)
    return made
