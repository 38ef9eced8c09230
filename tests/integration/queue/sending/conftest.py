"""A connection's queue on a server of its own, and the engine that its messages leave by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from tests.integration.queue.desk import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.processes.valkey import Valkey


from tests.integration.queue.sending.sending import CONCURRENCY, AcknowledgingEngine


@pytest.fixture
def engine() -> AcknowledgingEngine:
    return AcknowledgingEngine()


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    settings = own_server.settings(queue_concurrency=CONCURRENCY)
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    desk = Desk(redis, lanes, Leases(redis))
    await desk.take()
    yield desk
    await lanes.close()
    await redis.aclose()
