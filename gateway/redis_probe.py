"""Pings Redis continuously, and marks it as hanging, so that all Redis calls of this gateway process fail at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from actors.redis.client import outage

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

PING_PAUSE_SECONDS, HUNG_PING_PAUSE_SECONDS = 0.5, 0.1
"""Seconds between two pings, and while Redis hangs; a call that waits for long brings the next one forward."""

PROBE_SECONDS: Final = 0.3
"""Seconds that Redis has for an answer; a busy one takes milliseconds.

With the time after which a call is doubtful this is 0.4 s at most, so that an answer comes within half a second."""

LATE: Final = 0.05
"""Seconds by which a timer of this process may be late: where it is later, the process had no time to read the answer."""


async def watch(redis: Redis) -> None:
    """Ping for as long as it runs, and note where Redis hangs, for all calls of this process.

    While that is noted every call raises `RedisAway` at once, and so do those that wait then; the first ping that
    is answered ends it. A Redis that is slow for as long as that counts as one that hangs: sends meanwhile
    wait (`RedisWait`), and reads are refused with 503 until the next ping, a tenth of a second later.
    `redis` is a client of its own: its wait holds up no other call.
    """
    outage.doubted = doubted = asyncio.Event()
    try:
        while True:
            doubted.clear()
            hangs = await _hangs(redis)
            if hangs != outage.noted:
                outage.note(hangs)
                log.info("redis hangs" if hangs else "redis back", action="redis.watched")
            await _pause(doubted, HUNG_PING_PAUSE_SECONDS if hangs else PING_PAUSE_SECONDS)
    finally:
        outage.doubted = None
        outage.note(hangs=False)


async def _pause(doubted: asyncio.Event, seconds: float) -> None:
    """Wait for so long, or until a call has no answer."""
    try:
        async with asyncio.timeout(seconds):
            await doubted.wait()
    except TimeoutError:
        return


async def _hangs(redis: Redis) -> bool:
    """Whether Redis neither answers nor refuses: a server that is gone refuses each call at once."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PROBE_SECONDS
        try:
            async with asyncio.timeout_at(due):
                await redis.ping()
        except TimeoutError:
            if loop.time() > due + LATE:
                continue
            return True
        except Exception:  # noqa: BLE001 - a refusal, in any form
            return False
        return False
