"""A real server for every test, and transitions that run twice.

The fixture `redis` comes in two kinds: ``once`` runs each script once. ``cluster`` runs it twice and
answers what the second run answered, which is what redis-py does when the answer of the first was
lost; and it is the node of a cluster that has the keys of ``shop``, which refuses a script that
touches another's. Every test that uses it (or `lanes`, `leases`) proves its transitions safe to
repeat, and fit for a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.redis.pipeline import RedisPipeline
from tests.integration.queue.desk import SHOP, Desk
from tests.integration.queue.redis.cluster import Cluster
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from actors.config.settings import Settings


class RepeatingRedis(Redis):
    """The client of a test in which `RepeatingLine` stands for `RedisPipeline`."""


class RepeatingLine(RedisPipeline):
    """Puts every script twice on the way; the first answer of each is lost.

    A first run that fails where the second does not fails the call: what it did is not known.
    """

    async def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        sent = [
            (command, last)
            for command in commands
            for last in ((False, True) if command[0] == "EVALSHA" else (True,))
        ]
        answers = await _exchange(self, [command for command, _ in sent])
        kept: list[Any] = []
        refused: Exception | None = None
        for answer, (_, last) in zip(answers, sent, strict=True):
            if last:
                assert refused is None or isinstance(answer, Exception), refused
                kept.append(answer)
            refused = answer if not last and isinstance(answer, Exception) else None
        return kept


_exchange = RedisPipeline.exchange


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for all: tests that kill or fill it take `own_server`."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as valkey:
        yield valkey


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(params=["once", "cluster"])
def kind(request: pytest.FixtureRequest) -> str:
    """``twice`` is that of the cluster on a server alone (`SEVERAL_CONNECTIONS`)."""
    name: str = request.param
    return name


@pytest.fixture
def settings(kind: str, request: pytest.FixtureRequest) -> Settings:
    server: Valkey
    if kind == "cluster":
        server = request.getfixturevalue("cluster").node(SHOP)
    else:
        server = request.getfixturevalue("server")
    return server.settings(queue_concurrency=3)


@pytest_asyncio.fixture
async def redis(
    settings: Settings, kind: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Redis]:
    """An emptied server."""
    client = connect(settings)
    await client.flushdb()
    client_of: type[Redis] = Redis
    if kind != "once":
        client_of = RepeatingRedis
        monkeypatch.setattr(RedisPipeline, "exchange", RepeatingLine.exchange)
    yield client_of.from_pool(client.connection_pool)
    await client.connection_pool.disconnect()


@pytest_asyncio.fixture
async def lanes(redis: Redis, settings: Settings) -> AsyncIterator[OutboundQueue]:
    port = OutboundQueue(redis, settings)
    yield port
    await port.close()


@pytest.fixture
def leases(redis: Redis) -> Leases:
    return Leases(redis)


@pytest_asyncio.fixture
async def desk(redis: Redis, lanes: OutboundQueue, leases: Leases) -> AsyncIterator[Desk]:
    """The queue of ``shop`` with epoch 1 taken; afterwards its keys must agree with each other."""
    desk = Desk(redis, lanes, leases)
    await desk.take()
    yield desk
    await desk.check()
