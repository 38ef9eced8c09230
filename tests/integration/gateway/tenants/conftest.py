"""A gateway of two tenants: each has a key for its own connection, and one of them wants all."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from tests.integration.gateway.served import OTHER, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import httpx
    from redis.asyncio import Redis

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

MANY = 1000
CONNECTIONS = 4

BY_CONNECTION = {
    "event_readers_per_connection": 4,
    "webhooks_per_connection": 4,
    "api_keys_per_connection": 4,
    "media_uploads_per_connection": 100_000,
    "media_max_bytes": 100_000,
}
"""The limit of one connection ends first; the instance has room for all of them."""

BY_INSTANCE = {
    "event_readers_per_connection": MANY,
    "max_event_readers": 10,
    "webhooks_per_connection": MANY,
    "max_webhooks": 10,
    "api_keys_per_connection": MANY,
    "max_api_keys": 10,
    "media_limit": 500_000,
}
"""The limit of a connection is above that of the instance: of ten each has one, and five go in the order of arrival."""


@dataclass
class Tenants:
    """The callers; each refusal of the greedy one has to name what ends first (`of`)."""

    gateway: Gateway
    greedy: Api
    modest: Api
    of: str

    def require_refused(self, answer: httpx.Response, each: str, total: str) -> None:
        """The answer is a refusal that names the limit, and when to come again."""
        problem = answer.json()
        assert int(answer.headers["retry-after"]) > 0
        told = (answer.status_code, problem["code"], problem["of"], problem["setting"])
        if self.of == "instance":
            assert told == (503, "instance_limit_reached", "instance", total)
        else:
            assert told == (429, "quota_reached", "connection", each)
        setting = problem["setting"]
        assert setting in problem["detail"]
        assert problem["limit"] == getattr(self.gateway.settings, setting.lower())
        metrics = self.gateway.api.get("/metrics").text
        assert f'teimoso_limits_reached_total{{limit="{setting}"}}' in metrics


def key_of(gateway: Gateway, connection: str) -> Api:
    """A caller with a key for the connection alone, which may do everything there."""
    body = {"name": connection, "scopes": ["admin"], "connections": [connection]}
    made = gateway.api.post("/api/keys", json=body)
    assert made.status_code == 201, made.text
    return gateway.client(made.json()["key"])


@pytest.fixture(scope="module", params=[BY_CONNECTION, BY_INSTANCE], ids=["connection", "instance"])
def tenants(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenants]:
    flags = {"max_connections": CONNECTIONS, "webhook_url_private": True, **request.param}
    with Gateway(tmp_path_factory.mktemp("tenants"), valkey, **flags) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        metrics = gateway.api.get("/metrics").text
        assert 'teimoso_limits_reached_total{limit="MAX_WEBHOOKS"} 0.0' in metrics
        of = "connection" if request.param is BY_CONNECTION else "instance"
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            yield Tenants(gateway, greedy, modest, of)


@pytest.fixture
def gateway(valkey: Valkey, tmp_path: Path) -> Iterator[Gateway]:
    flags = {"max_connections": CONNECTIONS, "media_url_private": True}
    with Gateway(tmp_path / "gateway", valkey, **flags) as started:
        yield started


@pytest.fixture
def greedy(gateway: Gateway) -> Iterator[Api]:
    gateway.connect(SHOP)
    with key_of(gateway, "shop") as caller:
        yield caller


@pytest.fixture
def modest(gateway: Gateway) -> Iterator[Api]:
    gateway.connect(OTHER)
    with key_of(gateway, "other") as caller:
        yield caller


@pytest_asyncio.fixture
async def silent_owners(gateway: Gateway) -> AsyncIterator[Redis]:
    """Owners of the open connections that answer no command; the Redis where those wait."""
    redis = connect(gateway.settings)
    leases = Leases(redis)
    owner = Owner("connection:silent", os.getpid(), host_identity.here())
    for connection in (SHOP, OTHER):
        lease = await leases.take(connection, owner)
        await leases.report(connection, lease.epoch, state="open", cause=None, since=time.time())
    yield redis
    await redis.aclose()
