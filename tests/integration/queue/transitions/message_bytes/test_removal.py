"""Finished messages leave Redis a day after the state store has them, and nothing else does (G2, G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.redis import keys
from actors.runtime.host_identity import Uptime
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Collection

HOURS = 490_000
"""An hour, since the epoch."""


async def mirror(desk: Desk, refused: Collection[str] = ()) -> None:
    records = await desk.lanes.reader.changed(SHOP, 100)
    await desk.lanes.reader.mirrored(SHOP, records, {desk.ids[each] for each in refused})


async def left(desk: Desk) -> set[str]:
    """The texts of those that have a record; the others are forgotten here as well."""
    for text, id_ in list(desk.ids.items()):
        if await desk.lanes.reader.get(id_) is None:
            del desk.ids[text]
    await desk.check()
    return set(desk.ids)


async def taken(desk: Desk) -> int:
    return (await desk.lanes.reader.flows_many([SHOP]))[SHOP].bytes


async def test_what_is_finished_and_stored_leaves_and_counts_no_longer(desk: Desk) -> None:
    for text, chat in (("sent", ANA), ("dead", BEN), ("expired", EVA), ("cancelled", LEO)):
        await desk.accept(text, chat)
    await desk.cancel("cancelled")
    await desk.claim()
    await desk.complete("sent")
    await desk.fail("expired", permanent=True)
    await desk.lanes.dead_letters.prune(SHOP, 0, desk.now + 1)
    await desk.fail("dead", permanent=True)
    await desk.accept("refused")
    await desk.drain()
    await mirror(desk, ["refused"])
    await desk.accept("waits", BEN)
    await desk.accept("not stored")
    await desk.claim()
    await desk.complete("not stored")
    full = await taken(desk)
    await desk.pass_day()
    assert await left(desk) == {"dead", "refused", "waits", "not stored"}
    assert await taken(desk) < full


async def test_a_change_that_is_not_stored_keeps_it_for_another_day(desk: Desk) -> None:
    await desk.accept("a")
    await desk.drain()
    await mirror(desk)
    await desk.receipt("a", "read")
    await desk.pass_day()
    assert await left(desk) == {"a"}
    await mirror(desk)
    await desk.pass_day()
    assert await left(desk) == set()


async def test_an_expired_letter_that_is_sent_again_stays(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", permanent=True)
    await desk.lanes.dead_letters.prune(SHOP, 0, desk.now + 1)
    await mirror(desk)
    await desk.retry("a")
    await mirror(desk)
    await desk.pass_day()
    assert await left(desk) == {"a"}
    assert await desk.drain() == ["a"]


async def test_many_leave_in_steps(desk: Desk) -> None:
    of = keys.of(SHOP)
    await desk.redis.zadd(of.finished, {f"3EB0{number:018}": 0 for number in range(1500)})
    counts = []
    for seconds in (0.0, 86_401.0, 86_401.0, 86_401.0):
        await desk.lanes.promote(SHOP, desk.now, Uptime("boot", seconds))
        counts.append(await desk.redis.zcard(of.finished))
    assert counts in ([1500, 500, 0, 0], [1500, 0, 0, 0]), "the latter where each script runs twice"


async def expiring(desk: Desk, *texts: str) -> None:
    """As a former build left finished records: Redis expires them, and counts them by the hour."""
    of = keys.of(SHOP)
    for text in texts:
        message_id = desk.ids[text].partition(".")[2]
        size: Any = await desk.redis.hget(of.message(message_id), "bytes")
        await desk.redis.zrem(of.finished, message_id)
        await desk.redis.hset(of.message(message_id), "leaves", HOURS)
        await desk.redis.pexpire(of.message(message_id), 3_600_000)
        await desk.redis.hincrby(of.leaving, str(HOURS), int(size))


async def test_records_that_redis_is_to_expire_stay_where_they_change(desk: Desk) -> None:
    """Of those of a former build one is redriven, and one is read; the third expires, and counts no longer."""
    for text, chat in (("dead", BEN), ("read", ANA), ("sent", ANA)):
        await desk.accept(text, chat)
    await desk.claim()
    await desk.fail("dead", permanent=True)
    await desk.complete("read")
    await desk.drain()
    await desk.lanes.dead_letters.prune(SHOP, 0, desk.now + 1)
    await mirror(desk)
    await expiring(desk, "dead", "read", "sent")
    await desk.receipt("read", "read")
    await mirror(desk)
    await desk.lanes.promote(SHOP, desk.now)
    await desk.retry("dead")
    assert not await desk.redis.exists(keys.of(SHOP).leaving)
    await desk.redis.delete(keys.of(SHOP).message(desk.ids["sent"].partition(".")[2]))
    assert await left(desk) == {"dead", "read"}
    assert await desk.drain() == ["dead"]
    await mirror(desk)
    await desk.pass_day()
    assert await left(desk) == set()
    assert await taken(desk) == 0
