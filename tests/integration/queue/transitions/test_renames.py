"""A person has two addresses, and once that is known one lane: nothing of it is lost, doubled or overtaken (G4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.queue.outbound_queue import LeaseLost, Send, Which
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, LID, SHOP, Desk

OTHER = "15550100009@s.whatsapp.net"


async def accepted(desk: Desk, count: int, first: int = 0) -> list[str]:
    """Messages for the two addresses in turn, the LID first."""
    texts = [f"{number:04}" for number in range(first, first + count)]
    for text in texts:
        await desk.accept(text, ANA if int(text) % 2 else LID)
    return texts


async def test_g4_two_lanes_become_one_in_the_order_of_acceptance(desk: Desk) -> None:
    texts = await accepted(desk, 6)
    await desk.accept("ben", BEN)
    assert await desk.rename() == "done"
    texts += await accepted(desk, 4, first=6)
    assert sorted(await desk.claimed()) == ["0000", "ben"]
    await desk.complete("0000")
    await desk.complete("ben")
    assert await desk.drain() == texts[1:]
    assert {record.chat for record in (await desk.records()).values()} == {ANA, BEN}


async def test_g4_by_priority_and_acceptance(desk: Desk) -> None:
    for text, chat, priority in (("c", LID, 5), ("d", ANA, 5), ("a", LID, 0), ("b", ANA, 0)):
        await desk.accept(text, chat, priority=priority)
    await desk.accept("e", LID, priority=9)
    await desk.rename()
    assert await desk.drain() == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("first", ["0000", "0001"], ids=["of the LID", "of the number"])
async def test_g4_both_wait_until_what_flies_has_landed(desk: Desk, first: str) -> None:
    """Nothing of either is claimed meanwhile, and other chats go on."""
    texts = await accepted(desk, 6)
    assert await desk.claimed() == ["0000", "0001"]
    second = "0001" if first == "0000" else "0000"
    assert await desk.rename() == "busy"
    texts += await accepted(desk, 2, first=6)
    await desk.accept("ben", BEN)
    assert await desk.claimed() == ["ben"]
    await desk.complete(first)
    assert await desk.claimed() == []
    assert await desk.rename() == "busy"
    await desk.complete(second)
    assert await desk.claimed() == []
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
    assert claim.next_due is None
    assert await desk.rename() == "done"
    assert await desk.drain() == texts[2:]
    assert await desk.resting_for_ever() == set()


async def test_g4_a_message_of_one_that_flies_alone_holds_both(desk: Desk) -> None:
    await desk.accept("0000", LID)
    assert await desk.claimed() == ["0000"]
    await desk.accept("0001", ANA)
    assert await desk.rename() == "busy"
    assert await desk.claimed() == []
    await desk.fail("0000", retry_in=5)
    assert await desk.rename() == "done"
    assert await desk.claimed() == []
    desk.now += 5
    assert await desk.drain() == ["0000", "0001"]


@pytest.mark.parametrize("of", ["LID", "number", "both"])
async def test_g4_a_backoff_of_either_holds_the_joined_lane(desk: Desk, of: str) -> None:
    texts = await accepted(desk, 4)
    await desk.claim()
    for text, holds, seconds in (("0000", of != "number", 5), ("0001", of != "LID", 9)):
        if holds:
            await desk.fail(text, retry_in=seconds)
        else:
            await desk.unclaim(text)
    assert await desk.rename() == "done"
    counts = await desk.counts()
    assert (counts.delayed, counts.waiting) == (1, 3)
    desk.now += 4
    assert await desk.claimed() == []
    desk.now += 5
    assert await desk.drain() == texts


async def test_of_two_backoffs_the_later_one_counts(desk: Desk) -> None:
    await accepted(desk, 4)
    await desk.claim()
    await desk.fail("0000", retry_in=5)
    await desk.fail("0001", retry_in=9)
    assert await desk.rename() == "done"
    assert [await desk.status(text) for text in ("0000", "0001")] == ["queued", "waiting"]
    desk.now += 5
    assert await desk.claimed() == []
    desk.now += 4
    assert await desk.drain() == ["0000", "0001", "0002", "0003"]


async def test_a_backoff_ends_while_the_other_one_flies(desk: Desk) -> None:
    """It is not claimed beside it."""
    await accepted(desk, 4)
    await desk.claim()
    await desk.fail("0000", retry_in=5)
    assert await desk.rename() == "busy"
    desk.now += 5
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == []
    await desk.complete("0001")
    assert await desk.rename() == "done"
    assert await desk.drain() == ["0000", "0002", "0003"]


async def test_what_a_limit_defers_stays_deferred_and_can_be_lifted_for_the_number(
    desk: Desk,
) -> None:
    await accepted(desk, 2)
    await desk.claim()
    await desk.defer("0000", desk.now + 3600)
    await desk.unclaim("0001")
    assert await desk.rename() == "done"
    assert await desk.claimed() == []
    await desk.lift_chat(ANA)
    assert await desk.drain() == ["0000", "0001"]


async def test_what_was_to_follow_goes_back_where_its_owner_put_it_down(desk: Desk) -> None:
    await desk.accept("0000", LID)
    await desk.accept("0002", LID)
    assert [job.text for job in await desk.claim(ahead=True)] == ["0000", "0002"]
    await desk.accept("0001", ANA)
    await desk.accept("0003", LID)
    assert await desk.rename(behind=["0002"]) == "busy"
    record = await desk.get("0002")
    assert (record.status, record.attempts) == ("queued", 0)
    await desk.complete("0000")
    assert await desk.rename() == "done"
    assert await desk.drain() == ["0002", "0001", "0003"]


async def test_what_left_behind_another_is_waited_for_too(desk: Desk) -> None:
    await desk.accept("0000", LID)
    await desk.accept("0001", LID)
    await desk.claim(ahead=True)
    await desk.accept("0002", ANA)
    assert await desk.rename() == "busy"
    await desk.complete("0000")
    assert await desk.rename() == "busy"
    assert await desk.claimed() == []
    await desk.complete("0001")
    assert await desk.rename() == "done"
    assert await desk.drain() == ["0002"]


async def test_what_is_due_later_and_what_is_dead_goes_into_the_joined_lane(desk: Desk) -> None:
    await desk.accept("due", LID, send_at=desk.now + 10)
    await desk.accept("dead", LID)
    await desk.claim()
    await desk.fail("dead", permanent=True)
    assert await desk.rename() == "done"
    assert [(await desk.get(text)).chat for text in ("due", "dead")] == [ANA, ANA]
    desk.now += 10
    await desk.accept("new", ANA)
    await desk.retry("dead")
    assert await desk.claimed() == ["due"]  # one at a time, for it is one lane
    await desk.complete("due")
    assert await desk.claimed() == ["new"]
    await desk.complete("new")
    assert await desk.drain() == ["dead"]


@pytest.mark.parametrize("chat", [LID, ANA])
async def test_letters_are_found_by_either_address(desk: Desk, chat: str) -> None:
    for text, to in (("a", LID), ("b", BEN)):
        await desk.accept(text, to)
    await desk.claim()
    for text in ("a", "b"):
        await desk.fail(text, permanent=True)
    await desk.rename()
    desk.now += 1
    found = await desk.lanes.dead_letters.redrive(SHOP, Which(chat=chat), now=desk.now)
    assert found.count == 1
    assert await desk.drain() == ["a"]


async def test_what_waits_can_be_cancelled_and_proved(desk: Desk) -> None:
    await accepted(desk, 4)
    await desk.accept("later", LID, send_at=desk.now + 60)
    await desk.rename()
    assert (await desk.cancel("0000")).chat == ANA
    assert (await desk.cancel("later")).chat == ANA
    await desk.receipt("0001")
    assert await desk.drain() == ["0002", "0003"]


async def test_a_key_that_was_used_before_gives_the_first_answer(desk: Desk) -> None:
    send = Send(SHOP, LID, "b")
    first = await desk.lanes.accept(send, idempotency_key="k", now=desk.now)
    await desk.rename()
    again = await desk.lanes.accept(send, idempotency_key="k", now=desk.now)
    assert again.replayed
    assert (again.record.id, again.record.chat) == (first.record.id, ANA)


async def test_a_huge_lane_joins_by_shares_and_nothing_of_it_leaves_meanwhile(desk: Desk) -> None:
    texts = [f"{number:04}" for number in range(1602)]
    records = await asyncio.gather(
        *(desk.accept(text, LID if int(text) % 4 else ANA) for text in texts[:1600])
    )
    texts[:1600] = [each.text for each in sorted(records, key=lambda each: each.revision)]
    assert await desk.rename() == "more"
    assert await desk.claimed() == []
    await desk.accept("1600", LID)
    await desk.accept("1601", ANA)
    await desk.check()
    while await desk.rename() != "done":
        await desk.check()
        assert await desk.claimed() == []
    moved = [job.text for job in await desk.claim(ahead=True)]
    while len(moved) < len(texts):
        moved += [job.text for job in await desk.claim(sent=moved[-2:-1], ahead=True)]
    assert moved == texts
    for text in moved[-2:]:
        await desk.complete(text)


async def test_g6_an_old_owner_joins_nothing(desk: Desk) -> None:
    await accepted(desk, 2)
    old = desk.epoch
    await desk.take("crashed")
    with pytest.raises(LeaseLost):
        await desk.rename(epoch=old)
    with pytest.raises(LeaseLost):
        await desk.lanes.joins.note_renamed(SHOP, old, 7)
    assert await desk.redis.exists(keys.of(SHOP).aliases) == 0
    assert await desk.lanes.joins.noted_renames(SHOP) == 0


async def test_g13_names_that_redis_keeps_have_a_bound(desk: Desk) -> None:
    of = keys.of(SHOP)
    lids = [f"8{number:014}@lid" for number in range(20_000)]
    await desk.redis.hset(of.aliases, mapping=dict.fromkeys(lids, ANA))
    for number in range(3):
        await desk.rename(f"9000000000001{number}@lid", BEN)
    assert await desk.redis.hlen(of.aliases) <= 20_000
    await desk.redis.sadd(of.nameless, *lids)
    await desk.accept("a", LID)
    assert await desk.redis.scard(of.nameless) == 20_000


@pytest.mark.parametrize("needed", ["numbers", "written to", "waiting"])
async def test_no_name_is_dropped_that_only_redis_has_a_use_for(desk: Desk, needed: str) -> None:
    """The owner is asked for those of LIDs alone, and where messages wait they move first."""
    of = keys.of(SHOP)
    server = "s.whatsapp.net" if needed == "numbers" else "lid"
    names = [f"8{number:014}@{server}" for number in range(20_000)]
    await desk.redis.hset(of.aliases, mapping=dict.fromkeys(names, ANA))
    if needed == "written to":
        await desk.redis.sadd(of.nameless, *names)
    elif needed == "waiting":
        async with desk.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zadd(of.lane(name), {"x": 1})
            await pipe.execute()
    for number in range(3):
        await desk.rename(f"1555010008{number}@s.whatsapp.net", BEN)
    assert await desk.redis.hlen(of.aliases) == 20_003
    await desk.redis.flushdb()  # the lanes are of nobody's messages


async def test_g4_a_join_outlives_the_owner_who_began_it(desk: Desk) -> None:
    """Nothing of either lane is claimed before the next owner has finished it."""
    texts = await accepted(desk, 4)
    await desk.claim()
    assert await desk.rename() == "busy"
    await desk.take("crashed")
    await desk.check()
    assert await desk.lanes.joins.unfinished(SHOP) == {LID: ANA}
    assert await desk.claimed() == []
    assert await desk.rename() == "done"
    assert await desk.lanes.joins.unfinished(SHOP) == {}
    assert await desk.resting_for_ever() == set()
    assert await desk.drain() == texts


async def test_pacing_holds_in_the_joined_lane(desk: Desk) -> None:
    """Of two gaps the longer one, also after lanes waited for each other."""
    gaps = keys.of(SHOP).gaps
    await accepted(desk, 4)
    await desk.claim()
    await desk.redis.zadd(gaps, {LID: desk.now + 7, ANA: desk.now + 3})
    assert await desk.rename() == "busy"
    for text in ("0000", "0001"):
        await desk.complete(text)
    assert await desk.rename() == "done"
    left: Any = await desk.redis.zrange(gaps, 0, -1, withscores=True)
    assert dict(left) == {ANA: desk.now + 7}


async def test_its_own_again_is_for_what_comes_from_now_on(desk: Desk) -> None:
    await desk.accept("before", OTHER)
    assert await desk.rename(OTHER, ANA) == "done"
    assert await desk.rename(OTHER, OTHER) == "done"
    await desk.accept("after", OTHER)
    assert (await desk.get("before")).chat == ANA
    assert (await desk.get("after")).chat == OTHER
    assert sorted(await desk.drain(2)) == ["after", "before"]


async def test_one_name_after_the_other(desk: Desk) -> None:
    """A LID's number turns out to be answered by another one, while the first join is busy."""
    for text, chat in (("a", LID), ("b", OTHER), ("c", ANA), ("d", LID)):
        await desk.accept(text, chat)
    await desk.claim()
    assert await desk.rename(LID, OTHER) == "busy"
    assert await desk.rename(OTHER, ANA) == "busy"
    await desk.accept("e", LID)
    await desk.check()
    for text in ("a", "b", "c"):
        await desk.complete(text)
    assert await desk.claimed() == []
    assert {await desk.rename(OTHER, ANA), await desk.rename(LID, ANA)} == {"done"}
    assert (await desk.get("e")).chat == ANA
    assert await desk.drain() == ["d", "e"]
    assert await desk.resting_for_ever() == set()


async def test_an_address_that_is_renamed_back(desk: Desk) -> None:
    await accepted(desk, 2)
    assert await desk.rename() == "done"
    assert await desk.rename(ANA, LID) == "done"
    assert await desk.lanes.reader.names(SHOP, [ANA, LID]) == {ANA: LID, LID: LID}
    assert await desk.drain() == ["0000", "0001"]


async def test_records_and_the_mirror_show_the_chat_of_today(desk: Desk) -> None:
    await desk.accept("sent", LID)
    await desk.claim()
    await desk.complete("sent")
    (seen,) = await desk.lanes.reader.changed(SHOP, 10)
    assert seen.chat == LID
    await desk.rename()
    # It may have been stored in the former chat: it is stored once more.
    await desk.lanes.reader.mirrored(SHOP, [seen])
    (seen,) = await desk.lanes.reader.changed(SHOP, 10)
    assert seen.chat == ANA
    await desk.lanes.reader.mirrored(SHOP, [seen])
    assert await desk.lanes.reader.changed(SHOP, 10) == []
    assert (await desk.get("sent")).chat == ANA


async def test_reported_names_are_noted_and_go_with_the_connection(desk: Desk) -> None:
    await desk.accept("a", LID)
    told = await desk.lanes.joins.rename(SHOP, desk.epoch, LID, ANA, now=desk.now)
    assert told.written_to
    assert (await desk.lanes.joins.rename(SHOP, desk.epoch, LID, ANA, now=desk.now)).written_to
    await desk.lanes.joins.note_renamed(SHOP, desk.epoch, 5, [LID])
    assert await desk.lanes.joins.noted_renames(SHOP) == 5
    assert not (await desk.lanes.joins.rename(SHOP, desk.epoch, LID, ANA, now=desk.now)).written_to
    await desk.drain()
    await desk.lanes.reader.mirrored(SHOP, await desk.lanes.reader.changed(SHOP, 10))
    assert await desk.lanes.remove(SHOP)
    of = keys.of(SHOP)
    assert await desk.redis.exists(of.aliases, of.nameless, of.joining) == 0
    await desk.take()


async def test_the_same_order_whichever_comes_first(desk: Desk) -> None:
    """A name that is reported before anything was accepted."""
    assert await desk.rename() == "done"
    texts = await accepted(desk, 6)
    assert await desk.drain() == texts
