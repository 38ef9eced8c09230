"""Finished messages leave Redis before their seven days where they would refuse sends (G13)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.queue_reader import bytes_many
from actors.queue.upkeep import QueueUpkeep
from actors.redis import keys
from actors.runtime.limits.limits import LimitReached
from tests.integration.queue.desk import ANA, SHOP, Desk

if TYPE_CHECKING:
    from actors.config.settings import Settings

BUDGET = 20_000
"""Room for some thirty finished messages."""
BARE = 520
"""Bytes that each counts (`scripts/bytes.lua`)."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"queue_memory_per_connection": BUDGET})


async def full(desk: Desk) -> list[str]:
    """Send, and store, until nothing more is accepted; the texts in the order of their ends."""
    texts: list[str] = []
    while True:
        text = f"{len(texts)}"
        try:
            sent = await desk.lanes.accept(Send(SHOP, ANA, text), now=desk.now)
        except LimitReached:
            return texts
        desk.ids[text] = sent.record.id
        texts.append(text)
        await desk.claim()
        await desk.complete(text)
        await desk.lanes.mirrored(SHOP, await desk.lanes.changed(SHOP, 100))


async def age(desk: Desk, text: str, hours: int) -> None:
    """As if the message had ended so many hours ago."""
    of, message = keys.of(SHOP), keys.of(SHOP).message(desk.ids[text].partition(".")[2])
    leaves, bytes_ = cast("Any", await desk.redis.hmget(message, "leaves", "bytes"))
    await desk.redis.hset(message, "leaves", int(leaves) - hours)
    await desk.redis.hincrby(of.leaving, str(int(leaves)), -int(bytes_))
    await desk.redis.hincrby(of.leaving, str(int(leaves) - hours), int(bytes_))


async def pruned(desk: Desk) -> None:
    nothing: Any = None
    upkeep = QueueUpkeep(desk.lanes, nothing, 90)
    upkeep._connections = [SHOP]
    await upkeep.prune()


async def left(desk: Desk, texts: list[str]) -> list[str]:
    return [each for each in texts if await desk.lanes.get(desk.ids[each]) is not None]


async def test_those_that_would_expire_first_make_room(desk: Desk) -> None:
    texts = await full(desk)
    for number, text in enumerate(texts):
        await age(desk, text, 100 - number)
    await pruned(desk)
    remaining = await left(desk, texts)
    assert 5 < len(remaining) < len(texts) - 5
    assert remaining == texts[-len(remaining) :]
    for text in set(texts) - set(remaining):
        del desk.ids[text]
    await desk.accept("there is room")
    await desk.check()


@pytest.mark.parametrize("why", ["young", "changed", "words", "dead"])
async def test_what_is_promised_stays(desk: Desk, why: str) -> None:
    """For a day all of it; and what the store has not, or not whole."""
    desk.now = time.time()
    texts = await full(desk)
    of = keys.of(SHOP)
    for text in texts:
        await age(desk, text, 20 if why == "young" else 100)
        message_id = desk.ids[text].partition(".")[2]
        if why == "changed":
            await desk.redis.zadd(of.changed, {message_id: 1})
        if why == "words":
            await desk.redis.hdel(of.message(message_id), "stored")
        if why == "dead":
            await desk.redis.hset(of.message(message_id), "status", "cancelled")
    await pruned(desk)
    assert await left(desk, texts) == texts


async def test_as_long_as_there_is_room_all_stay(desk: Desk) -> None:
    texts = [f"{number}" for number in range(BUDGET * 7 // 10 // BARE)]
    for text in texts:
        desk.ids[text] = (await desk.accept(text)).id
        await desk.claim()
        await desk.complete(text)
        await desk.lanes.mirrored(SHOP, await desk.lanes.changed(SHOP, 100))
        await age(desk, text, 100)
    await pruned(desk)
    assert await left(desk, texts) == texts


async def test_what_is_full_of_other_things_is_not_read_again_and_again(desk: Desk) -> None:
    """All keys are read for it."""
    texts = await full(desk)
    for text in texts:
        await age(desk, text, 20)
    expiry = desk.lanes.early_expiry
    taken = await bytes_many(desk.redis, [SHOP])
    await expiry.run(taken)
    for text in texts:
        await age(desk, text, 80)
    await expiry.run(taken)
    assert await left(desk, texts) == texts
    await OutboundQueue(desk.redis, desk.lanes._settings).early_expiry.run(taken)
    assert await left(desk, texts) != texts


async def test_a_part_of_a_full_redis_is_a_limit_as_well(desk: Desk, settings: Settings) -> None:
    """503 `redis_full` for a connection that has its part, once half of the memory is used."""
    texts = await full(desk)
    for text in texts:
        await age(desk, text, 100)
    told: Any = await desk.redis.info("memory")
    taken, used = await bytes_many(desk.redis, [SHOP]), int(told["used_memory"])
    without = settings.model_copy(update={"queue_memory_per_connection": 0})
    for limit, stay in ((4 * used, True), (2 * used, False)):
        parts = limit // 2 // BUDGET
        chosen = without.model_copy(
            update={"max_redis_memory": limit, "max_connections": parts - 1}
        )
        await OutboundQueue(desk.redis, chosen).early_expiry.run(taken)
        assert (await left(desk, texts) == texts) == stay
