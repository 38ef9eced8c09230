"""A gateway that may reach loopback, an endpoint, and a webhook that leads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.media.open_store import open_store
from actors.redis.client import connect
from actors.state.webhooks import Webhooks
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.webhooks.deliveries.single_worker import SingleWorker, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that may reach loopback, with the connections ``shop`` and ``other``."""
    directory = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, valkey, webhook_url_private=True) as served:
        for connection in (SHOP, OTHER):
            served.connect(connection)
        yield served


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def hook(api: Api, receiver: Receiver) -> Iterator[str]:
    """The id of a webhook that leads to `receiver`."""
    made = add(api, receiver)
    yield made["id"]
    api.delete(f"/api/webhooks/{made['id']}")


@pytest_asyncio.fixture
async def delivering(valkey: Valkey, tmp_path: Path) -> AsyncIterator[SingleWorker]:
    documents = Store(tmp_path / "state.db")
    redis = connect(valkey.settings())
    files = open_store(valkey.settings().model_copy(update={"data": tmp_path}))
    yield SingleWorker(documents, Webhooks(documents), redis, files)
    await redis.aclose()
    await documents.close()
