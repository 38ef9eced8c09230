"""Pings Redis continuously and marks a hanging server, so that all Redis calls of the process fail at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from actors.redis.client import outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

EVERY, EVERY_HUNG = 0.5, 0.1
"""Seconds between two pings, and while Redis hangs."""

WITHIN: Final = 1.0
"""Seconds that Redis has for an answer; a busy one takes milliseconds."""


async def watch(redis: Redis) -> None:
    """Ping for as long as it runs, and note where Redis hangs, for all calls of this process.

    While that is noted every call raises `RedisAway` at once, and so do those that wait then; the first ping that
    is answered ends it.
    `redis` is a client of its own: its wait holds up no other call.
    """
    try:
        while True:
            hangs = await _hangs(redis)
            if hangs != outage.noted:
                outage.note(hangs)
                log.info("redis hangs" if hangs else "redis back", action="redis.watched")
            await asyncio.sleep(EVERY_HUNG if hangs else EVERY)
    finally:
        outage.note(hangs=False)


async def _hangs(redis: Redis) -> bool:
    """Whether Redis neither answers nor refuses: a server that is gone refuses each call at once."""
    try:
        async with asyncio.timeout(WITHIN):
            await redis.ping()
    except TimeoutError:
        return True
    except Exception:  # noqa: BLE001 - a refusal, in any form
        return False
    return False
