"""Watches whether Redis answers, so that no request waits for one that hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from actors.redis.client import outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

EVERY: Final = 0.5
"""Seconds between two pings."""

WITHIN: Final = 1.0
"""Seconds that Redis has for an answer; a busy one takes milliseconds."""


async def watch(redis: Redis) -> None:
    """Ping for as long as it runs, and note an outage for all calls of this process.

    While one is noted every call raises `RedisAway` at once; the first ping that is answered ends it.
    `redis` is a client of its own: its wait holds up no other call.
    """
    try:
        while True:
            away = not await _answers(redis)
            if away != outage.noted:
                outage.noted = away
                log.info("redis away" if away else "redis back", action="redis.watched")
            await asyncio.sleep(EVERY)
    finally:
        outage.noted = False


async def _answers(redis: Redis) -> bool:
    try:
        async with asyncio.timeout(WITHIN):
            await redis.ping()
    except Exception:  # noqa: BLE001 - in whichever way it does not
        return False
    return True
