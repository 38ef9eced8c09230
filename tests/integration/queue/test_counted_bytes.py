"""The bytes that a connection's messages count, beside those that they take in a real server (G13)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.lanes import Lanes, Send
from actors.redis.client import connect
from actors.redis.leases import Leases, Owner
from tests.integration.queue.desk import SHOP

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey

MESSAGES = 1500
AT_ONCE = 64
LONG_NAME = f"{'s' * 60}--K7Q2M9XA4TBC"


async def used(redis: Redis) -> int:
    told: Any = await redis.info("memory")
    return int(told["used_memory"])


@pytest.mark.parametrize("keyed", [False, True], ids=["", "with a key"])
@pytest.mark.parametrize("chats", [20, MESSAGES])
@pytest.mark.parametrize("connection", [SHOP, LONG_NAME], ids=["short", "long"])
async def test_no_message_takes_more_than_it_counts(
    own_server: Valkey, connection: str, chats: int, keyed: bool
) -> None:
    """While it waits, once it was read, and once the state store has its words; also in a chat of its own."""
    settings = own_server.settings(queue_concurrency=AT_ONCE, queue_memory_limit=0)
    redis = connect(settings)
    lanes = Lanes(redis, settings)
    epoch = (await Leases(redis).take(connection, Owner("test", 1, "node"))).epoch
    # What the connection and the client take by themselves.
    await lanes.accept(Send(connection, "15550100002@s.whatsapp.net", "first"))
    before = await used(redis)
    counted_before = (await lanes.flows_many([connection]))[connection].bytes

    async def check(step: str) -> None:
        took = await used(redis) - before
        counted = (await lanes.flows_many([connection]))[connection].bytes - counted_before
        figures = f"{step}: {took / MESSAGES:.0f} taken, {counted / MESSAGES:.0f} counted"
        print(figures)
        assert took <= counted, figures

    async def accept(number: int) -> None:
        send = Send(connection, f"1555{number % chats:011}@s.whatsapp.net", f"hello {number}")
        await lanes.accept(send, idempotency_key=f"order {number}" if keyed else None)

    for begin in range(0, MESSAGES, AT_ONCE):
        await asyncio.gather(*map(accept, range(begin, min(begin + AT_ONCE, MESSAGES))))
    await check("waiting")
    while jobs := (await lanes.claim(connection, epoch, AT_ONCE)).jobs:
        now = time.time()
        await asyncio.gather(*(lanes.complete(connection, epoch, each.id, at=now) for each in jobs))
        await lanes.receipts(connection, [(each.message_id, "read", now) for each in jobs])
    await check("read")
    while records := await lanes.changed(connection, 500):
        await lanes.mirrored(connection, records)
    await check("stored")
    await lanes.close()
    await redis.aclose()
