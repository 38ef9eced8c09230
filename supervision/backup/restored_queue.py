"""Runs a restored queue for itself alone, and ends messages in it that the newer state store shows as ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic import SecretStr

from actors.queue.outbound_queue import NotCancellable, OutboundQueue
from actors.queue.records import api_id
from actors.redis import keys
from actors.redis.client import connect, reach
from actors.state.documents import MESSAGES
from supervision.keeper import process
from supervision.keeper.parts import ports, probe, valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.documents import Document, Documents

LOAD: Final = 600.0
LOADING_POLL_SECONDS: Final = 0.05
"""Seconds that a long log takes to load, and between two looks."""

VALKEY_END_SECONDS: Final = 30.0
ALL_MESSAGES: Final = 10**9
"""Messages of a connection that are looked at: all."""

Proof = Literal["sent", "delivered", "read"]
PROOFS: Final[tuple[Proof, ...]] = ("sent", "delivered", "read")


class QueueUnreadable(Exception):
    """The embedded Valkey does not load the restored files; the message is its last words."""


class Ended(NamedTuple):
    """Messages that the copy of the queue had as waiting: those that were sent since, and those that were cancelled."""

    sent: int = 0
    cancelled: int = 0


@asynccontextmanager
async def served(data: Path, settings: Settings) -> AsyncIterator[Redis]:
    """Serve the files of the embedded Valkey in `data` to this process alone; on disk and stopped behind the block.

    Raises `QueueUnreadable`.
    """
    await process.end_strays(data)
    port = next(each for each in ports.candidates(data) if ports.free(each))
    password = valkey.password(data)
    command = valkey.command(data, port, password, settings.redis_max_clients)
    entry = process.start(data, "valkey", command)
    try:
        async with asyncio.timeout(LOAD):
            while not await probe.ping(port, password):
                if process.is_over(entry):
                    raise QueueUnreadable(process.last_words(data, "valkey"))
                await asyncio.sleep(LOADING_POLL_SECONDS)
        there = {"redis_url": None, "redis_host": "127.0.0.1", "redis_port": port}
        secret = {"redis_password": SecretStr(password), "redis_replicas": 0}
        redis = connect(settings.model_copy(update={**there, **secret}))
        try:
            yield redis
        finally:
            await redis.aclose()
    except TimeoutError:
        raise QueueUnreadable("it does not answer") from None
    finally:
        await process.stop([entry], VALKEY_END_SECONDS)


async def settle(
    redis: Redis, settings: Settings, documents: Documents, connections: Sequence[str]
) -> Ended:
    """End what is open in the queue, and ended in the state store, whose copy is the newer one. Repeatable.

    A message that was sent between the two copies does not leave again. From then on each revision is higher than
    those that the store has, so that its views follow the queue again. Raises `RedisAway` and `StoreAway`.
    """
    lanes, sent, cancelled = OutboundQueue(redis, settings), 0, 0
    for connection in connections:
        newest = 0
        for message_id in await lanes.reader.unfinished(connection, ALL_MESSAGES):
            id_ = api_id(connection, message_id)
            seen = await documents.get(MESSAGES, id_)
            if seen is None:
                continue
            newest = max(newest, seen["revision"])
            if proofs := _proofs(seen):
                await lanes.receipts(connection, [(message_id, *proof) for proof in proofs])
                sent += 1
            elif seen["status"] == "cancelled":
                with suppress(NotCancellable):
                    await lanes.cancel(id_)
                    cancelled += 1
        await _number(redis, connection, newest)
    return Ended(sent, cancelled)


def _proofs(seen: Document) -> list[tuple[Proof, float]]:
    """The proofs of a message's delivery in the state store, each with its time."""
    if seen["status"] not in PROOFS:
        return []
    return [(status, at) for status in PROOFS if (at := seen.get(f"{status}_at")) is not None]


async def _number(redis: Redis, connection: str, newest: int) -> None:
    counters = keys.of(connection).counters
    async with reach():
        if newest > int(await redis.hget(counters, "seq") or 0):
            await redis.hset(counters, "seq", str(newest))
