"""A HealthMonitor without Ray, on a real Valkey and a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.redis.client import connect
from actors.state.open_store import open_documents
from tests.integration.health.monitored import made
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.health.monitor import Monitor
    from actors.state.documents import Documents


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def settings(valkey: Valkey) -> Settings:
    # Thresholds that a busy test machine does not reach.
    settings = valkey.settings(
        cpu_threshold=100,
        memory_threshold=100,
        health_check_interval=100,
        redis_latency_threshold=60_000,
        store_latency_threshold=60_000,
    )
    settings.save()
    return settings


@pytest.fixture
async def documents(settings: Settings) -> AsyncIterator[Documents]:
    store = open_documents(settings)
    yield store
    await store.close()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = connect(settings)
    yield client
    await client.aclose()


@pytest.fixture
def monitor(settings: Settings, documents: Documents, redis: Redis) -> Monitor:
    return made(settings, documents, redis)
