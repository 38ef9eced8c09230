"""Notifies the root actor and gateways through Redis that a connection's desired state changed; losing one only delays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

PING_AFTER = 15.0
"""Seconds without a poke after which the server is asked whether it is there."""


async def poke(redis: Redis) -> None:
    """Notify readers that a desired state changed. It is no error if none listens."""
    async with reach():
        await redis.publish(keys.POKE, "")


async def pokes(redis: Redis) -> AsyncGenerator[None]:
    """Yield once after each `poke`, and once at the start; raises `RedisAway` when Redis goes.

    A poke during an outage is lost: look after subscribing again, which the first yield
    reminds of. `redis` should be a client made with ``blocking=True``.
    """
    # Not ignoring subscribe messages here: redis-py then answers None at once for each of them and
    # for each pong, and the loop would ping without pause.
    pubsub = redis.pubsub()
    try:
        async with reach():
            await pubsub.subscribe(keys.POKE)
        yield
        while True:
            async with reach(deadline=PING_AFTER + 5):
                message = await pubsub.get_message(timeout=PING_AFTER)
                if message is None:
                    # A peer that vanished without a word is noticed by the ping's missing answer.
                    await pubsub.ping()
            if message is not None and message["type"] == "message":
                yield
    finally:
        await pubsub.aclose()  # type: ignore[no-untyped-call]
