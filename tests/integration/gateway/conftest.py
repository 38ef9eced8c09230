from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.state.open_store import open_documents
from tests.integration.gateway.served import Api, Gateway
from tests.processes.small_disk import mount_small_disk
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.state.documents import Documents


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway a module, with the connection ``shop``; who kills takes `own_gateway`."""
    with Gateway(tmp_path_factory.mktemp("gateway"), valkey) as served:
        served.connect()
        yield served


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Api:
    return gateway.api


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def own_gateway(own_valkey: Valkey, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "gateway", own_valkey) as served:
        served.connect()
        yield served


@pytest.fixture
def small_disk(own_gateway: Gateway) -> Iterator[Path]:
    """A disk of 1 MB where the gateway stores files."""
    with mount_small_disk(own_gateway.settings.media) as disk:
        yield disk


@pytest_asyncio.fixture
async def redis(gateway: Gateway) -> AsyncIterator[Redis]:
    client = connect(gateway.settings)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def lanes(gateway: Gateway, redis: Redis) -> AsyncIterator[OutboundQueue]:
    """The queue as a connection's owner sees it."""
    port = OutboundQueue(redis, gateway.settings)
    yield port
    await port.close()


@pytest.fixture
def leases(redis: Redis) -> Leases:
    return Leases(redis)


@pytest_asyncio.fixture
async def documents(gateway: Gateway) -> AsyncIterator[Documents]:
    store = open_documents(gateway.settings)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def small(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that keeps files of 200 kB and fetches from anywhere."""
    with Gateway(
        tmp_path_factory.mktemp("small"), valkey, media_max_bytes=200_000, media_url_private=True
    ) as served:
        served.connect()
        yield served
