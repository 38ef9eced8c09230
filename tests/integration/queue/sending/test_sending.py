"""Messages leave once and in order, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from actors.runtime.actor_base import end_tasks
from tests.integration.queue.desk import ANA, Desk
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey


from tests.integration.queue.sending.sending import (
    CHATS,
    CONCURRENCY,
    SECONDS,
    AcknowledgingEngine,
    calls,
    full,
    sending,
    until,
)


async def test_g4_all_is_sent_once_and_in_order_though_it_comes_at_any_moment(
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    accepted: defaultdict[str, list[str]] = defaultdict(list)
    async with sending(desk, engine):
        for number in range(200):
            chat = engine.chance.choice(CHATS)
            await desk.accept(f"{number:03}", chat)
            accepted[chat].append(f"{number:03}")
            for _ in range(engine.chance.randrange(30)):
                await asyncio.sleep(0)
        await until(desk, "sent")
    assert engine.sent == accepted
    assert engine.most <= CONCURRENCY
    await desk.check()


async def test_outcomes_go_with_the_claims(desk: Desk, engine: AcknowledgingEngine) -> None:
    for number in range(60):
        await desk.accept(f"{number:02}", CHATS[number % 3])
    before = await calls(desk)
    async with sending(desk, engine):
        await until(desk, "sent")
    # One of an outcome and one of a claim would be two for each message.
    assert await calls(desk) - before <= 60 + 2


async def test_g2_sends_of_a_time_without_redis_are_reported_when_it_is_back(
    desk: Desk, engine: AcknowledgingEngine, own_server: Valkey
) -> None:
    for number in range(9):
        await desk.accept(f"{number}", CHATS[number % 3])
    engine.let.clear()
    async with sending(desk, engine):
        await full(engine)
        own_server.kill()
        engine.let.set()
        await asyncio.sleep(0.3)
        assert engine.count == 2 * CONCURRENCY  # and those that were in hand to follow
        own_server.start()
        await until(desk, "sent")
    assert engine.count == 9  # none of them twice


async def test_the_next_of_a_chat_leaves_before_redis_knows_of_the_one_before(
    desk: Desk, engine: AcknowledgingEngine, own_server: Valkey
) -> None:
    for number in range(4):
        await desk.accept(f"{number}")
    engine.let.clear()
    async with sending(desk, engine):
        async with asyncio.timeout(SECONDS):
            while engine.count < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        own_server.signal(signal.SIGSTOP)
        try:
            engine.let.set()
            async with asyncio.timeout(SECONDS):
                while engine.count < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            own_server.signal(signal.SIGCONT)
        await until(desk, "sent")
    assert engine.sent[ANA] == ["0", "1", "2", "3"]


async def test_g4_nothing_passes_what_failed(desk: Desk, engine: AcknowledgingEngine) -> None:
    for number in range(30):
        await desk.accept(f"{number:02}", CHATS[number % 2])
    engine.refuses = {"04", "07", "10"}
    async with sending(desk, engine, retry_at=lambda _, __, now: now + 0.2):
        await until(desk, "sent")
    for chat, texts in engine.sent.items():
        assert texts == [f"{number:02}" for number in range(30) if CHATS[number % 2] == chat]


@pytest.mark.parametrize(
    "running", [True, False], ids=["while it claims", "when it claims no more"]
)
async def test_stopping_tells_what_is_sent_meanwhile_and_claims_nothing(
    desk: Desk, engine: AcknowledgingEngine, *, running: bool
) -> None:
    for number in range(9):
        await desk.accept(f"{number}", CHATS[number % 3])
    engine.let.clear()
    async with sending(desk, engine) as (sender, claiming):
        await full(engine)
        if not running:
            await end_tasks([claiming], 5.0)
        stopping = asyncio.ensure_future(sender.stop(5.0))
        await asyncio.sleep(0)
        engine.let.set()
        await stopping
        assert [text for text in desk.ids if await desk.status(text) == "sent"] == ["0", "1", "2"]
        for text in ("3", "4", "5"):  # they were in hand to follow
            record = await desk.get(text)
            assert (record.status, record.attempts, record.uncertain) == ("queued", 0, False)
    assert engine.count == CONCURRENCY


async def test_g6_a_claim_that_is_refused_says_that_the_lease_is_lost(
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    lost: list[str] = []
    async with sending(desk, engine, on_lost=lost.append):
        await desk.take()
        await desk.accept("for the next owner")
        await eventually("it knows", lambda: lost, 10)
        assert engine.count == 0
    assert set(lost) == {"lost"}
