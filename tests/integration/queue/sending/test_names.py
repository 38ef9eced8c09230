"""Names of chats are reported to Redis before anything leaves under them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.connection.limits.account_limits import Limits
from actors.redis import keys
from actors.runtime.actor_base import end_tasks
from tests.integration.queue.desk import ANA, EVA, LEO, LID, SHOP, Desk
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey


from tests.integration.queue.sending.sending import (
    SECONDS,
    AcknowledgingEngine,
    sending,
    until,
)


async def test_g4_a_name_that_is_learnt_while_messages_leave(
    desk: Desk, engine: AcknowledgingEngine
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
    return await desk.lanes.joins.noted_renames(SHOP) == 1


async def test_g4_a_name_that_redis_lost_is_reported_before_the_first_claim(
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    engine.learn(LID, ANA)
    for number in range(20):
        await desk.accept(f"{number:02}", ANA if number % 2 else LID)
    async with sending(desk, engine):
        await until(desk, "sent")
    assert engine.sent == {ANA: [f"{number:02}" for number in range(20)]}


async def test_nothing_is_claimed_before_all_names_are_reported(
    desk: Desk, engine: AcknowledgingEngine
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
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    """Redis has heard of more names, and of others by the same numbers."""
    await desk.lanes.joins.note_renamed(SHOP, desk.epoch, 50)
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
    assert await desk.lanes.joins.noted_renames(SHOP) == 2


async def test_a_lane_whose_name_redis_does_not_know_is_joined_once_it_is_claimed(
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    """It may have dropped the name."""
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
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    """Of too many it keeps some; the owner's session has all, and the order holds."""
    of = keys.of(SHOP)
    many = [f"8{number:014}@lid" for number in range(20_000)]
    await desk.redis.hset(of.aliases, mapping=dict.fromkeys(many, EVA))
    engine.learn(LID, ANA)
    async with sending(desk, engine) as (sender, _):
        await eventually("it is reported", lambda: not sender.joins.waits, SECONDS)
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
    assert await desk.lanes.reader.names(SHOP, [LID, other]) == {LID: ANA, other: other}
    assert await desk.redis.smembers(of.nameless) == {other}
    assert not await desk.redis.exists(of.unasked)
    assert engine.merged == ((LID, ANA),)


async def test_g4_a_dropped_name_is_asked_for_where_messages_fall_due_too(
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    engine.learn(LID, ANA)
    async with sending(desk, engine) as (sender, _):
        await eventually("it is reported", lambda: not sender.joins.waits, SECONDS)
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


async def test_g11_nothing_is_claimed_while_no_name_can_be_reported(
    desk: Desk, engine: AcknowledgingEngine, own_server: Valkey
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
    desk: Desk, engine: AcknowledgingEngine
) -> None:
    """Its person wrote under the number: nothing holds back what is for the LID."""
    until_ = time.time() + 3600
    engine.defers = {LID: until_}
    desk.now = time.time()
    await desk.accept("a", LID)
    async with sending(desk, engine) as (sender, _):
        standing = sender._standing
        await standing.update(Limits(locked_until=until_))
        carrying = asyncio.ensure_future(standing.run())
        await until(desk, "waiting")
        engine.learn(LID, ANA)
        sender.look()
        await until(desk, "sent")
        await end_tasks([carrying], 5.0)
    assert engine.sent[ANA] == ["a"]
