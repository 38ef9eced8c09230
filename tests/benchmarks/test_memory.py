"""Bytes of messages in Redis, beside those that the budget of a connection counts for them."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.benchmarks.figures import Figure, Figures
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = int(os.environ.get("MESSAGES", "20000"))
BATCH = 64
SHOP = "shop--K7Q2M9XA4TBC"
TEXT = "x" * 300
CHATS = 500
A_DAY_OF_TEN_A_SECOND = 10 * 24 * 3600


class Taken:
    """The bytes that messages take in Redis, and those that they count, from now on."""

    def __init__(self, redis: Any, lanes: OutboundQueue) -> None:
        self._redis, self._lanes = redis, lanes
        self._before = (0, 0)

    async def begin(self) -> None:
        self._before = await self._look()

    async def each(self) -> tuple[float, float]:
        """For each of `MESSAGES`."""
        now = await self._look()
        taken, counted = (after - before for after, before in zip(now, self._before, strict=True))
        return taken / MESSAGES, counted / MESSAGES

    async def _look(self) -> tuple[int, int]:
        told = await self._redis.info("memory")
        flow = (await self._lanes.reader.flows_many([SHOP]))[SHOP]
        return int(told["used_memory"]), flow.bytes


@pytest.mark.timeout(300)
async def test_bytes_of_a_message(figures: Figures, tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as server:
        settings = server.settings(queue_concurrency=BATCH, queue_memory_per_connection=0)
        redis = connect(settings)
        lanes = OutboundQueue(redis, settings)
        epoch = (await Leases(redis).take(SHOP, Owner("bench", 1, "node"))).epoch
        taken = Taken(redis, lanes)
        await taken.begin()
        sends = (Send(SHOP, f"{n % CHATS}@s.whatsapp.net", TEXT) for n in itertools.count())
        for _ in range(MESSAGES // BATCH):
            await asyncio.gather(*(lanes.accept(next(sends)) for _ in range(BATCH)))
        waiting = await taken.each()
        while jobs := (await lanes.claims.claim(SHOP, epoch, BATCH)).jobs:
            now = time.time()
            await asyncio.gather(
                *(lanes.claims.complete(SHOP, epoch, each.id, at=now) for each in jobs)
            )
            receipts = [(each.message_id, "read", now) for each in jobs]
            await lanes.receipts(SHOP, receipts)  # type: ignore[arg-type]
        sent = await taken.each()
        while records := await lanes.reader.changed(SHOP, 500):
            await lanes.reader.mirrored(SHOP, records)
        stored = await taken.each()
        for name, (measured, counted) in (
            ("that waits, with a text of 300 characters", waiting),
            ("that was read, while the state store is away", sent),
            ("that was read and is stored: a day", stored),
        ):
            figures.add(
                Figure(
                    f"Redis: a message {name}",
                    measured,
                    "bytes",
                    against=counted,
                    at_most=1.0,
                )
            )
        figures.add(
            Figure(
                "Redis: 10 messages a second for a day",
                stored[0] * A_DAY_OF_TEN_A_SECOND / 2**30,
                "GiB",
                remarks={"counted": f"{stored[1] * A_DAY_OF_TEN_A_SECOND / 2**30:.2f} GiB"},
            )
        )
        await lanes.close()
        await redis.aclose()
