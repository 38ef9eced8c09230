from __future__ import annotations

from typing import TYPE_CHECKING

from actors.queue.outbound_queue import Counts
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, SHOP, Desk
from tests.integration.queue.redis.cluster import SEVERAL_CONNECTIONS

if TYPE_CHECKING:
    from redis.asyncio import Redis


@SEVERAL_CONNECTIONS
async def test_counts_tell_where_the_messages_are(desk: Desk) -> None:
    assert await desk.counts() == Counts(0, 0, 0, 0, None)
    oldest = desk.now
    for text, chat in (("a1", ANA), ("a2", ANA), ("b1", BEN), ("b2", BEN), ("e", EVA)):
        await desk.accept(text, chat)
        desk.now += 1
    await desk.accept("later", send_at=desk.now + 60)
    assert await desk.counts() == Counts(5, 0, 1, 0, oldest)
    await desk.claim()
    assert await desk.counts() == Counts(2, 3, 1, 0, oldest)
    await desk.fail("b1", retry_in=60)
    await desk.fail("e", permanent=True)
    assert await desk.counts() == Counts(2, 1, 2, 1, oldest)
    await desk.complete("a1")
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.counts() == Counts(2, 0, 2, 1, oldest + 1)
    assert await desk.lanes.reader.counts_many([SHOP, "other"]) == {
        SHOP: Counts(2, 0, 2, 1, oldest + 1),
        "other": Counts(0, 0, 0, 0, None),
    }
    assert await desk.lanes.reader.counts_many([]) == {}


async def test_each_change_is_listed_until_it_was_mirrored(desk: Desk) -> None:
    await desk.accept("a")
    await desk.accept("b", BEN)
    changed = await desk.lanes.reader.changed(SHOP, 10)
    assert [record.text for record in changed] == ["a", "b"]
    assert changed[0] == await desk.get("a")
    await desk.lanes.reader.mirrored(SHOP, changed[:1])
    assert [record.text for record in await desk.lanes.reader.changed(SHOP, 10)] == ["b"]
    await desk.claim()
    assert [record.status for record in await desk.lanes.reader.changed(SHOP, 10)] == [
        "sending"
    ] * 2


async def test_what_changed_while_it_was_mirrored_stays_listed(desk: Desk) -> None:
    await desk.accept("a")
    before = await desk.lanes.reader.changed(SHOP, 10)
    await desk.claim()
    await desk.lanes.reader.mirrored(SHOP, before)
    assert [record.status for record in await desk.lanes.reader.changed(SHOP, 10)] == ["sending"]


async def test_changes_are_coalesced_and_listed_oldest_first(desk: Desk) -> None:
    await desk.accept("a")
    await desk.accept("b", BEN)
    await desk.drain()
    await desk.receipt("a")
    changed = await desk.lanes.reader.changed(SHOP, 1)
    assert [(record.text, record.status) for record in changed] == [("b", "sent")]
    assert len(await desk.lanes.reader.changed(SHOP, 10)) == 2


async def test_every_transition_is_a_change(desk: Desk) -> None:
    seen = []

    async def note() -> None:
        records = await desk.lanes.reader.changed(SHOP, 10)
        seen.append([record.status for record in records])
        await desk.lanes.reader.mirrored(SHOP, records)

    await desk.accept("a")
    await note()
    await desk.claim()
    await note()
    await desk.unclaim("a")
    await note()
    await desk.claim()
    await desk.fail("a", retry_in=5)
    await note()
    await desk.lanes.promote(SHOP, desk.now + 5)
    await note()
    await desk.claim()
    await desk.take()
    await note()
    await desk.claim()
    await desk.fail("a")
    await note()
    await desk.retry("a")
    await note()
    await desk.cancel("a")
    await note()
    await desk.receipt("a", "delivered")
    await note()
    await desk.receipt("a", "read")
    await note()
    await desk.receipt("a", "read")
    await note()
    expected = "queued sending queued waiting queued queued dead queued cancelled delivered read"
    assert seen == [*([status] for status in expected.split()), []]


async def test_an_expired_record_is_listed_no_more(desk: Desk, redis: Redis) -> None:
    record = await desk.accept("a")
    await desk.drain()
    of = keys.of(SHOP)
    await redis.delete(of.message(record.message_id))  # its time is over
    await redis.hdel(of.counters, "bytes")
    assert await desk.lanes.reader.changed(SHOP, 10) == []
    assert await desk.lanes.reader.unmirrored([SHOP]) == {}


@SEVERAL_CONNECTIONS
async def test_connections_with_changes_are_found_at_once(desk: Desk) -> None:
    assert await desk.lanes.reader.unmirrored([]) == {}
    assert await desk.lanes.reader.unmirrored([SHOP, "other"]) == {}
    await desk.accept("a")
    last = await desk.accept("b")
    assert await desk.lanes.reader.unmirrored(["other", SHOP]) == {SHOP: last.revision}


async def test_what_has_not_changed_since_a_revision_is_found(desk: Desk) -> None:
    await desk.accept("changes", ANA)
    stays = await desk.accept("stays", BEN)
    await desk.claim(limit=1)
    changed = await desk.lanes.reader.changed(SHOP, 10, stays.revision)
    assert [record.text for record in changed] == ["stays"]
    assert await desk.lanes.reader.changed(SHOP, 10, stays.revision - 1) == []
    assert len(await desk.lanes.reader.changed(SHOP, 10)) == 2
