"""The sending half of a connection on a real queue, with an engine that acknowledges when a test lets it."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import SendError
from actors.connection.limits.account_limits import REACH_OUT_LIMITED
from actors.connection.limits.ack_errors import SendDeferred
from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.owner.sender import Sender, Ticket
from actors.messages.content import text_of
from actors.runtime.actor_base import end_tasks
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk
from tests.integration.queue.names import Learnt
from tests.integration.queue.sending_child import Mute
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.connection.engine import Engine, SendRequest
    from actors.connection.owner.reporter import Reporter

SECONDS = 30.0
CONCURRENCY = 3
CHATS = (ANA, BEN, EVA, LEO)


class AcknowledgingEngine(Learnt):
    """An engine that acknowledges as soon as it is let, after some turns of the loop."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.chance = random.Random(1)
        self.flying = 0
        self.most = 0
        self.sent: defaultdict[str, list[str]] = defaultdict(list)
        self.refuses: set[str] = set()
        self.defers: dict[str, float] = {}

    async def send(self, message: SendRequest) -> float:
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            for _ in range(self.chance.randrange(5)):
                await asyncio.sleep(0)
            text = text_of(message.content) or ""
            if text in self.refuses:
                self.refuses.discard(text)
                raise SendError("ack_479")
            if message.chat in self.defers:
                raise SendDeferred(REACH_OUT_LIMITED, self.defers[message.chat])
            self.sent[message.chat].append(text)
            await self.let.wait()
        finally:
            self.flying -= 1
        return 1000.0

    @property
    def count(self) -> int:
        return sum(map(len, self.sent.values()))


@asynccontextmanager
async def sending(
    desk: Desk,
    engine: AcknowledgingEngine,
    retry_at: Callable[[int, bool, float], float | None] = lambda *_: None,
    on_lost: Callable[[str], None] = pytest.fail,
) -> AsyncIterator[tuple[Sender, asyncio.Task[None]]]:
    lease = await desk.leases.read(SHOP)
    assert lease is not None
    sender = Sender(
        Ticket(SHOP, desk.epoch),
        cast("Engine", engine),
        desk.lanes,
        MessageDeferral(lease, desk.lanes, cast("Reporter", Mute()), on_lost=on_lost),
        concurrency=CONCURRENCY,
        retry_at=retry_at,
        on_lost=on_lost,
    )
    running = asyncio.ensure_future(sender.run())
    sender.opened()
    try:
        yield sender, running
    finally:
        await end_tasks([running], 5.0)
        await sender.stop(5.0)


async def until(desk: Desk, status: str) -> None:
    async def look() -> bool:
        return {await desk.status(text) for text in desk.ids} == {status}

    await eventually(f"all is {status}", look, SECONDS)


async def full(engine: AcknowledgingEngine) -> None:
    await eventually("the engine is full", lambda: engine.flying >= CONCURRENCY, SECONDS)


async def calls(desk: Desk) -> int:
    stats: Any = await desk.redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])
