"""The bytes that a connection's messages count, beside those that they take in a real server (G13)."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.integration.queue.desk import SHOP

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey

MESSAGES = 1500
AT_ONCE = 64
LONG_NAME = f"{'s' * 60}--K7Q2M9XA4TBC"


async def taken_and_counted(redis: Redis, lanes: OutboundQueue, connection: str) -> tuple[int, int]:
    """The bytes that the server has in use, and those that the connection's messages count."""
    told: Any = await redis.info("memory")
    return int(told["used_memory"]), (await lanes.reader.flows_many([connection]))[connection].bytes


@pytest.mark.parametrize("keyed", [False, True], ids=["", "with a key"])
@pytest.mark.parametrize("chats", [20, MESSAGES])
@pytest.mark.parametrize("connection", [SHOP, LONG_NAME], ids=["short", "long"])
async def test_no_message_takes_more_than_it_counts(
    own_server: Valkey, connection: str, chats: int, keyed: bool
) -> None:
    """While it waits, once it was read, and once the state store has its words; also in a chat of its own."""
    settings = own_server.settings(queue_concurrency=AT_ONCE, queue_memory_per_connection=0)
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    try:
        await compare(redis, lanes, connection, chats, keyed=keyed)
    finally:
        await lanes.close()
        await redis.aclose()


async def compare(
    redis: Redis, lanes: OutboundQueue, connection: str, chats: int, *, keyed: bool
) -> None:
    """Compare what messages take with what they count after each step of their way."""
    epoch = (await Leases(redis).take(connection, Owner("test", 1, "node"))).epoch

    async def accept(number: int) -> None:
        send = Send(connection, f"1555{number % chats:011}@s.whatsapp.net", f"hello {number}")
        await lanes.accept(send, idempotency_key=f"order {number}" if keyed else None)

    async def accept_all(count: int) -> None:
        for begin in range(0, count, AT_ONCE):
            await asyncio.gather(*map(accept, range(begin, min(begin + AT_ONCE, count))))

    async def send_all() -> None:
        while jobs := (await lanes.claims.claim(connection, epoch, AT_ONCE)).jobs:
            now = time.time()
            await asyncio.gather(
                *(lanes.claims.complete(connection, epoch, each.id, at=now) for each in jobs)
            )
            await lanes.receipts(connection, [(each.message_id, "read", now) for each in jobs])

    async def store_all() -> None:
        while records := await lanes.reader.changed(connection, 500):
            await lanes.reader.mirrored(connection, records)

    # Scripts, buffers and the connection's own keys: what is taken once, however many messages follow.
    await accept_all(AT_ONCE)
    await send_all()
    await store_all()
    before = await taken_and_counted(redis, lanes, connection)
    for step, doing in (
        ("waiting", partial(accept_all, MESSAGES)),
        ("read", send_all),
        ("stored", store_all),
    ):
        await doing()
        now = await taken_and_counted(redis, lanes, connection)
        took, counted = (
            round(after - at_first) for after, at_first in zip(now, before, strict=True)
        )
        figures = f"{step}: {took // MESSAGES} bytes taken, {counted // MESSAGES} counted"
        print(figures)
        assert took <= counted, figures
