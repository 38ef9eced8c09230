"""Sends for ``shop`` of the data directory given, in a process that some messages kill.

Each attempt is a line of the file ``attempts`` there. A text that begins with ``kill`` ends the
process in the middle of its sending, with all else that is in flight.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from actors.config.settings import Settings
from actors.connection.sender import Sender, Ticket
from actors.messages.content import text_of
from actors.queue.lanes import Lanes
from actors.redis.client import connect
from actors.redis.leases import Leases, Owner

if TYPE_CHECKING:
    from actors.connection.engine import Engine, Outgoing


class DeadlyEngine:
    """Acknowledges after a while, if it lives that long."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def send(self, message: Outgoing) -> float:
        with self._log.open("a") as file:
            file.write(f"{text_of(message.content)}\n")
        if (text_of(message.content) or "").startswith("kill"):
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.2)
        return time.time()


async def serve(data: Path) -> None:
    settings = Settings.load(data)
    redis = connect(settings)
    lease = await Leases(redis).take("shop", Owner("child", os.getpid(), "here"))
    sender = Sender(
        Ticket("shop", lease.epoch),
        cast("Engine", DeadlyEngine(data / "attempts")),
        Lanes(redis, settings),
        concurrency=settings.queue_concurrency,
        retry_at=lambda _attempts, _permanent, now: now + 1,
        on_lost=sys.exit,
    )
    sender.opened()
    await sender.run()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
