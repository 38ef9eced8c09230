"""A device that was away while many messages came: how they arrive, counted and timed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.engine import InboxMessage

SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The messages that came, as they stand in the inbox, and the duration.

    `seconds` runs from before the login until the last message is committed, `reading` from the
    first commit that a message was in: login and handshake are not in it. `commits` counts those
    that brought messages.
    """

    messages: list[InboxMessage]
    seconds: float
    reading: float
    commits: int


async def catch_up(simulator: Simulator, directory: Path, count: int) -> CaughtUp:
    """Pair a device in `directory`, let `count` messages wait for it, and bring it back.

    The contact says ``text 1`` to ``text count`` while the device is away, and one thing before.
    """
    async with device(simulator, directory) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "before")
        await until(phone.messages)
        await until(lambda: _unacknowledged(simulator, 0))
        await phone.settle_all()
    await simulator.say(CONTACT, ACCOUNT, "text", count=count)
    await until(lambda: _unacknowledged(simulator, count))
    began = time.perf_counter()
    async with device(simulator, directory, epoch=2) as phone:
        first = None
        async with asyncio.timeout(SECONDS):
            while len(messages := await phone.messages()) < count:
                if messages and first is None:
                    first = time.perf_counter()
                await asyncio.sleep(0.01)
        ended = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        await until(lambda: _unacknowledged(simulator, 0))
        await asyncio.sleep(0.1)  # what comes twice would have come
        return CaughtUp(await phone.messages(), ended - began, ended - (first or began), phone.news)


async def _unacknowledged(simulator: Simulator, count: int) -> bool:
    return int((await simulator.account(ACCOUNT))["unacknowledged"]) == count
