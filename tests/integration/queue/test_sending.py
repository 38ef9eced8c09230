"""The sending half of a connection on a real queue, with an engine that acknowledges when told."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from actors.connection.engine import SendError
from actors.connection.limits.account_limits import REACH_OUT_LIMITED, Limits
from actors.connection.limits.refusals import SendDeferred
from actors.connection.limits.standing import Standing
from actors.connection.sender import Sender, Ticket
from actors.messages.content import text_of
from actors.queue.lanes import Lanes
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases import Leases
from actors.runtime.actor_base import end_tasks
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, LID, SHOP, Desk
from tests.integration.queue.names import Learnt
from tests.integration.queue.sending_child import Mute
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.connection.engine import Engine, Outgoing
    from actors.connection.reporter import Reporter
    from tests.processes.valkey import Valkey

SECONDS = 30.0
CONCURRENCY = 3
CHATS = (ANA, BEN, EVA, LEO)


class Acknowledging(Learnt):
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

    async def send(self, message: Outgoing) -> float:
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


@pytest.fixture
def engine() -> Acknowledging:
    return Acknowledging()


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    settings = own_server.settings(queue_concurrency=CONCURRENCY)
    redis = connect(settings)
    lanes = Lanes(redis, settings)
    desk = Desk(redis, lanes, Leases(redis))
    await desk.take()
    yield desk
    await lanes.close()
    await redis.aclose()


@asynccontextmanager
async def sending(
    desk: Desk,
    engine: Acknowledging,
    retry_at: Callable[[int, bool, float], float | None] = lambda *_: None,
    on_lost: Callable[[str], None] = pytest.fail,
) -> AsyncIterator[tuple[Sender, asyncio.Task[None]]]:
    lease = await desk.leases.read(SHOP)
    assert lease is not None
    sender = Sender(
        Ticket(SHOP, desk.epoch),
        cast("Engine", engine),
        desk.lanes,
        Standing(lease, desk.lanes, cast("Reporter", Mute()), on_lost=on_lost),
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


async def full(engine: Acknowledging) -> None:
    await eventually("the engine is full", lambda: engine.flying >= CONCURRENCY, SECONDS)


async def calls(desk: Desk) -> int:
    stats: Any = await desk.redis.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_g4_all_is_sent_once_and_in_order_though_it_comes_at_any_moment(
    desk: Desk, engine: Acknowledging
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


async def test_outcomes_go_with_the_claims(desk: Desk, engine: Acknowledging) -> None:
    for number in range(60):
        await desk.accept(f"{number:02}", CHATS[number % 3])
    before = await calls(desk)
    async with sending(desk, engine):
        await until(desk, "sent")
    # One of an outcome and one of a claim would be two for each message.
    assert await calls(desk) - before <= 60 + 2


async def test_g2_what_was_sent_while_redis_was_away_is_told_when_it_is_back(
    desk: Desk, engine: Acknowledging, own_server: Valkey
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
    desk: Desk, engine: Acknowledging, own_server: Valkey
) -> None:
    for number in range(4):
        await desk.accept(f"{number}")
    engine.let.clear()
    async with sending(desk, engine):
        async with asyncio.timeout(SECONDS):
            while engine.count < 1:  # noqa: ASYNC110 - an engine tells nobody
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


async def test_g4_nothing_passes_what_failed(desk: Desk, engine: Acknowledging) -> None:
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
    desk: Desk, engine: Acknowledging, *, running: bool
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
    desk: Desk, engine: Acknowledging
) -> None:
    lost: list[str] = []
    async with sending(desk, engine, on_lost=lost.append):
        await desk.take()
        await desk.accept("for the next owner")
        await eventually("it knows", lambda: lost, 10)
        assert engine.count == 0
    assert set(lost) == {"lost"}


async def test_g4_a_name_that_is_learnt_while_messages_leave(
    desk: Desk, engine: Acknowledging
) -> None:
    """Messages for either address leave in one order from then on, each once."""
    texts = [f"{number:02}" for number in range(60)]
    for text in texts:
        await desk.accept(text, ANA if int(text) % 2 else LID)
    async with sending(desk, engine) as (sender, _):
        await eventually("some left", lambda: engine.count >= 10, SECONDS)
        left = [*engine.sent[LID], *engine.sent[ANA]]
        engine.learn(LID, ANA)
        sender.look()
        for number in range(60, 80):
            text = f"{number:02}"
            await desk.accept(text, ANA if number % 2 else LID)
            texts.append(text)
        await until(desk, "sent")
        await eventually("it is noted", lambda: noted(desk), SECONDS)
    assert sorted([*engine.sent[LID], *engine.sent[ANA]]) == texts
    joined = [text for text in engine.sent[ANA] if text not in left]
    assert joined == sorted(joined)
    assert len(engine.sent[LID]) < 30
    assert engine.merged == ((LID, ANA),)
    await desk.check()


async def noted(desk: Desk) -> bool:
    return await desk.lanes.noted_renames(SHOP) == 1


async def test_g4_a_name_that_redis_lost_is_told_before_the_first_claim(
    desk: Desk, engine: Acknowledging
) -> None:
    engine.learn(LID, ANA)
    for number in range(20):
        await desk.accept(f"{number:02}", ANA if number % 2 else LID)
    async with sending(desk, engine):
        await until(desk, "sent")
    assert engine.sent == {ANA: [f"{number:02}" for number in range(20)]}


async def test_nothing_is_claimed_before_all_names_are_told(
    desk: Desk, engine: Acknowledging
) -> None:
    """As after an upgrade, when Redis knows none of the session's."""
    for number in range(2000):
        engine.learn(f"900000000{number:05}@lid", f"15551{number:06}@s.whatsapp.net")
    for chat in (ANA, EVA, LEO):
        await desk.accept(chat, chat)
    async with sending(desk, engine):
        await until(desk, "sent")
    messages = [keys.of(SHOP).message(one.partition(".")[2]) for one in desk.ids.values()]
    assert [await desk.redis.hget(one, "tries") for one in messages] == ["1"] * 3


async def test_an_older_copy_of_a_session_tells_all_its_names(
    desk: Desk, engine: Acknowledging
) -> None:
    """Redis has heard of more names, and of others by the same numbers."""
    await desk.lanes.note_renamed(SHOP, desk.epoch, 50)
    engine.learn(LID, ANA)
    for number in range(10):
        await desk.accept(f"{number}", ANA if number % 2 else LID)
    async with sending(desk, engine) as (sender, _):
        await until(desk, "sent")
        engine.learn(LEO, EVA)
        sender.look()
        await desk.accept("other", LEO)
        await until(desk, "sent")
    assert engine.sent == {ANA: [f"{number}" for number in range(10)], EVA: ["other"]}
    assert await desk.lanes.noted_renames(SHOP) == 2


async def test_a_lane_whose_name_redis_does_not_know_is_joined_once_it_is_claimed(
    desk: Desk, engine: Acknowledging
) -> None:
    """As an older release may fill it, which knows no names."""
    engine.learn(LID, ANA)
    async with sending(desk, engine):
        await desk.accept("a", ANA)
        await until(desk, "sent")
        await desk.redis.delete(keys.of(SHOP).aliases)
        for text in ("b", "c"):
            await desk.accept(text, LID)
        await until(desk, "sent")
    assert engine.sent == {ANA: ["a", "b", "c"]}


async def test_g4_a_name_that_redis_dropped_is_asked_for_before_anything_leaves(
    desk: Desk, engine: Acknowledging
) -> None:
    """Of too many it keeps some; the owner's session has all, and the order holds."""
    of = keys.of(SHOP)
    many = [f"8{number:014}@lid" for number in range(20_000)]
    await desk.redis.hset(of.aliases, mapping=dict.fromkeys(many, EVA))
    engine.learn(LID, ANA)
    async with sending(desk, engine) as (sender, _):
        await eventually("it is told", lambda: not sender.joins.waits, SECONDS)
    assert await desk.redis.hlen(of.aliases) <= 20_000
    await desk.redis.hdel(of.aliases, LID)
    for number in range(6):
        await desk.accept(f"{number}", ANA if number % 2 else LID)
    other = "90000000000009@lid"
    await desk.accept("other", other)
    assert {LID, other} == await desk.redis.smembers(of.unasked)
    async with sending(desk, engine):
        await until(desk, "sent")
    assert engine.sent == {ANA: [f"{number}" for number in range(6)], other: ["other"]}
    assert await desk.lanes.names(SHOP, [LID, other]) == {LID: ANA, other: other}
    assert await desk.redis.smembers(of.nameless) == {other}
    assert not await desk.redis.exists(of.unasked)
    assert engine.merged == ((LID, ANA),)


async def test_g4_a_dropped_name_is_asked_for_where_messages_fall_due_too(
    desk: Desk, engine: Acknowledging
) -> None:
    engine.learn(LID, ANA)
    async with sending(desk, engine) as (sender, _):
        await eventually("it is told", lambda: not sender.joins.waits, SECONDS)
    of = keys.of(SHOP)
    await desk.redis.hdel(of.aliases, LID)
    await desk.redis.srem(of.nameless, LID)
    await desk.redis.hset(of.counters, "dropped", "1")
    for number in range(4):
        await desk.accept(f"{number}", ANA if number % 2 else LID, send_at=2000.0 + number)
    await desk.redis.delete(of.unasked, of.nameless)  # as they were before it was dropped
    async with sending(desk, engine):
        await until(desk, "sent")
    assert engine.sent == {ANA: [f"{number}" for number in range(4)]}


async def test_g11_nothing_is_claimed_while_redis_cannot_be_told_a_name(
    desk: Desk, engine: Acknowledging, own_server: Valkey
) -> None:
    for number in range(6):
        await desk.accept(f"{number}", ANA if number % 2 else LID)
    engine.let.clear()
    async with sending(desk, engine) as (sender, _):
        await eventually("two are out", lambda: engine.flying == 2, SECONDS)
        own_server.kill()
        engine.learn(LID, ANA)
        sender.look()
        engine.let.set()
        await asyncio.sleep(0.5)
        own_server.start()
        await until(desk, "sent")
    assert sorted([*engine.sent[LID], *engine.sent[ANA]]) == [f"{n}" for n in range(6)]
    await desk.check()


async def test_what_waits_for_a_limit_is_tried_again_once_its_lane_joined(
    desk: Desk, engine: Acknowledging
) -> None:
    """Its person wrote under the number: nothing holds back what is for the LID."""
    until_ = time.time() + 3600
    engine.defers = {LID: until_}
    desk.now = time.time()
    await desk.accept("a", LID)
    async with sending(desk, engine) as (sender, _):
        standing = sender._standing
        await standing.told(Limits(locked_until=until_))
        carrying = asyncio.ensure_future(standing.run())
        await until(desk, "waiting")
        engine.learn(LID, ANA)
        sender.look()
        await until(desk, "sent")
        await end_tasks([carrying], 5.0)
    assert engine.sent[ANA] == ["a"]
