"""Finished messages whose view the state store refuses stay until a person decides (G2, G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.queue.records import Record

WORDS = "a long word " * 20


async def mirror(desk: Desk, refused: Collection[str] = ()) -> None:
    """Mirror all that changed; the store refuses the views of these."""
    records = await desk.lanes.reader.changed(SHOP, 100)
    await desk.lanes.reader.mirrored(SHOP, records, {desk.ids[each] for each in refused})


async def sent(desk: Desk, *texts: str) -> None:
    for text in texts:
        await desk.accept(text)
        await desk.claim()
        await desk.complete(text)


async def listed(desk: Desk, behind: int = 0) -> list[Record]:
    """The messages that are held; the lease says how many, and none of them leaves."""
    found = [each.record for each in await desk.lanes.refused_views.page(SHOP, 100, behind)]
    if not behind:
        lease = await desk.leases.read(SHOP)
        assert lease is not None
        assert lease.refused_sends == len(found)
    for record in found:
        assert await desk.redis.zscore(keys.of(SHOP).finished, record.message_id) is None
        assert record.refused_at is not None
    return found


async def leaves(desk: Desk, text: str) -> bool:
    message_id = desk.ids[text].partition(".")[2]
    return await desk.redis.zscore(keys.of(SHOP).finished, message_id) is not None


async def test_they_are_listed_in_their_order_and_do_not_leave(desk: Desk) -> None:
    await sent(desk, "one", "other", "two")
    await mirror(desk, ["one", "two"])
    assert [each.text for each in await listed(desk)] == ["one", "two"]
    assert await leaves(desk, "other")
    first = (await desk.lanes.refused_views.page(SHOP, 1))[0]
    assert [each.text for each in await listed(desk, first.place)] == ["two"]


async def test_a_message_that_is_still_to_be_sent_is_in_the_queue_anyway(desk: Desk) -> None:
    for text, chat in (("waits", ANA), ("dies", BEN), ("goes", EVA)):
        await desk.accept(text, chat)
    await desk.cancel("goes")
    await desk.claim()
    await desk.fail("dies", permanent=True)
    await mirror(desk, ["waits", "dies", "goes"])
    assert [each.text for each in await listed(desk)] == ["goes"]
    await desk.complete("waits")
    await desk.retry("dies")
    await desk.drain()
    await mirror(desk, ["waits", "dies"])
    assert {each.text for each in await listed(desk)} == {"goes", "waits", "dies"}


async def test_a_later_change_neither_lists_it_twice_nor_lets_it_go(desk: Desk) -> None:
    await sent(desk, "one", "two")
    await mirror(desk, ["one", "two"])
    await desk.receipt("one", "read")
    await mirror(desk, ["one"])
    assert [each.text for each in await listed(desk)] == ["one", "two"]
    await desk.receipt("two", "read")
    await mirror(desk)
    assert [each.text for each in await listed(desk)] == ["one"], "the store takes it now"


async def test_one_that_was_to_leave_stays(desk: Desk) -> None:
    """Cancelled and stored, and then it had arrived after all."""
    await desk.accept("late")
    await desk.cancel("late")
    await mirror(desk)
    assert await leaves(desk, "late")
    await desk.receipt("late", "read")
    await mirror(desk, ["late"])
    assert [each.text for each in await listed(desk)] == ["late"]


@pytest.mark.parametrize("again", [False, True])
async def test_a_person_has_it_stored_again(desk: Desk, again: bool) -> None:
    await sent(desk, WORDS)
    await mirror(desk, [WORDS])
    message_id = desk.ids[WORDS].partition(".")[2]
    assert await desk.lanes.refused_views.retry(SHOP, message_id)
    assert await listed(desk) == []
    await mirror(desk, [WORDS] if again else [])
    record = await desk.get(WORDS)
    assert record.stored != again
    assert [each.message_id for each in await listed(desk)] == [message_id] * again
    assert await leaves(desk, WORDS) != again
    if not again:
        assert not await desk.lanes.refused_views.retry(SHOP, message_id)


@pytest.mark.parametrize("how", ["sent", "cancelled"])
async def test_a_person_forgets_what_it_said(desk: Desk, how: str) -> None:
    await desk.accept(WORDS)
    if how == "sent":
        await desk.drain()
    else:
        await desk.cancel(WORDS)
    await mirror(desk, [WORDS])
    message_id = desk.ids[WORDS].partition(".")[2]
    before = (await desk.lanes.reader.flows_many([SHOP]))[SHOP].bytes
    assert await desk.lanes.refused_views.discard(SHOP, message_id)
    assert await listed(desk) == []
    record = await desk.get(WORDS)
    assert (record.status, record.text, record.stored) == (how, "", True)
    assert await leaves(desk, WORDS)
    assert (await desk.lanes.reader.flows_many([SHOP]))[SHOP].bytes < before - len(WORDS)
    await desk.receipt(WORDS, "read")
    await mirror(desk)
    assert await listed(desk) == []


async def test_nobody_decides_on_others(desk: Desk) -> None:
    await desk.accept("waits")
    await mirror(desk)
    message_id = desk.ids["waits"].partition(".")[2]
    for decide in (desk.lanes.refused_views.retry, desk.lanes.refused_views.discard):
        assert not await decide(SHOP, message_id)
        assert not await decide(SHOP, "3EB0" + "0" * 18)
    assert (await desk.get("waits")).text == "waits"
    assert await desk.lanes.reader.changed(SHOP, 10) == []


async def test_those_of_a_connection_that_is_removed_leave(desk: Desk) -> None:
    await sent(desk, "one")
    await mirror(desk, ["one"])
    assert await desk.lanes.remove(SHOP)
    await desk.leases.forget(SHOP)
    assert await desk.redis.keys("*") == [keys.of(SHOP).deleted]
