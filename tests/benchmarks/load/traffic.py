"""Messages through a whole instance: accepted, waited for, and the first one after a kill."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis import keys
from actors.redis.client import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil

    from actors.config.settings import Settings
    from tests.processes.instance import Instance

CONTACTS = [f"155501110{number:02d}" for number in range(10)]


async def through(settings: Settings, connections: Sequence[str], count: int) -> float:
    """Seconds from the first accept until Redis knows that WhatsApp has the last of `count` each."""
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    begun = time.perf_counter()
    await asyncio.gather(
        *(
            lanes.accept(Send(name, f"{CONTACTS[number % 10]}@s.whatsapp.net", f"m {number}"))
            for number in range(count)
            for name in connections
        )
    )
    for name in connections:  # one after the other: a question costs as much as a message
        while await redis.zcard(keys.of(name).open):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    seconds = time.perf_counter() - begun
    await lanes.close()
    await redis.aclose()
    return seconds


async def mirrored(settings: Settings, connections: Sequence[str]) -> None:
    """Wait until no work is left over for the next measurement."""
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    async with asyncio.timeout(60):
        while await lanes.reader.unmirrored(connections):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.2)
    await lanes.close()
    await redis.aclose()


def logged(instance: Instance, action: str, connection: str, after: float) -> float:
    """When the root said that, as seconds since the epoch."""
    for line in (instance.data / "logs" / "root.log").read_text().splitlines():
        told = json.loads(line)
        if told.get("action") == action and told.get("connection") == connection:
            at = datetime.fromisoformat(told["timestamp"]).timestamp()
            if at >= after:
                return at
    raise AssertionError(f"the root said nothing of {action}")


async def first_message(
    settings: Settings, connection: str, victim: psutil.Process
) -> tuple[float, float]:
    """Kill the actor and send at once: when it was killed, and when WhatsApp acknowledged."""
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    killed = time.time()
    victim.kill()
    send = Send(connection, f"{CONTACTS[0]}@s.whatsapp.net", "first again")
    accepted = await lanes.accept(send)
    async with asyncio.timeout(30):
        while True:
            record = await lanes.reader.get(accepted.record.id)
            if record is not None and record.status in {"sent", "delivered", "read"}:
                break
            await asyncio.sleep(0.005)
    at = time.time()
    await redis.aclose()
    return killed, at
