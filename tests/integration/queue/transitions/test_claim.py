from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Quote, Target, Text, encode
from actors.queue.outbound_queue import LeaseLost, OutboundQueue
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk
from tests.integration.queue.redis.cluster import SEVERAL_CONNECTIONS

if TYPE_CHECKING:
    from actors.config.settings import Settings

REPLY = encode(Text("hello", Quote(Target("3EB0", None))))
WOKEN = 10.0  # seconds: less than those waits take that nothing ends


async def test_a_job_has_what_an_attempt_needs(desk: Desk) -> None:
    record = await desk.accept("hello", content=REPLY)
    (job,) = await desk.claim()
    assert (job.id, job.message_id, job.chat) == (record.id, record.message_id, ANA)
    assert (job.type, job.text, job.content, job.attempts) == ("text", "hello", REPLY, 1)
    sending = await desk.get("hello")
    assert (sending.status, sending.attempts) == ("sending", 1)
    assert sending.times["sending"] == desk.now


async def test_one_message_of_a_chat_is_in_flight_at_a_time(desk: Desk) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    assert await desk.claimed() == ["a1"]
    assert await desk.claimed() == []
    await desk.complete("a1")
    assert await desk.claimed() == ["a2"]


async def test_several_chats_are_in_flight_at_once_up_to_the_concurrency(desk: Desk) -> None:
    for text, chat in (("a", ANA), ("b", BEN), ("e", EVA), ("l", LEO)):
        await desk.accept(text, chat)
    assert await desk.claimed() == ["a", "b", "e"]
    assert await desk.claimed() == []
    await desk.complete("b")
    assert await desk.claimed() == ["l"]


async def test_a_claim_takes_no_more_than_its_limit(desk: Desk) -> None:
    for text, chat in (("a", ANA), ("b", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    assert await desk.claimed(0) == []
    assert await desk.claimed(2) == ["a", "b"]
    assert await desk.claimed(2) == ["e"]


async def test_chats_take_turns(desk: Desk) -> None:
    """One chat with a backlog does not hold up the others."""
    for number in range(5):
        await desk.accept(f"a{number}", ANA)
    for text, chat in (("b0", BEN), ("b1", BEN), ("e0", EVA)):
        await desk.accept(text, chat)
    assert await desk.drain() == ["a0", "b0", "e0", "a1", "b1", "a2", "a3", "a4"]


async def test_an_urgent_chat_goes_before_waiting_ones(desk: Desk) -> None:
    await desk.accept("a", ANA)
    await desk.accept("b", BEN)
    await desk.accept("urgent", EVA, priority=0)
    assert await desk.drain() == ["urgent", "a", "b"]


async def test_a_more_urgent_message_does_not_overtake_the_one_in_flight(desk: Desk) -> None:
    await desk.accept("a5")
    assert await desk.claimed() == ["a5"]
    await desk.accept("a0", priority=0)
    assert await desk.claimed() == []
    await desk.complete("a5")
    assert await desk.drain() == ["a0"]


async def test_a_claim_whose_answer_was_lost_is_handed_out_again(
    desk: Desk, settings: Settings
) -> None:
    await desk.accept("a", ANA)
    await desk.accept("b", BEN)
    (first,) = await desk.claim(1)
    lost = OutboundQueue(desk.redis, settings)  # took it, and nobody heard the answer
    (unheard,) = (await lost.claims.claim(SHOP, desk.epoch, 2, desk.now)).jobs[1:] or (None,)
    assert unheard is not None
    again = await desk.claim()
    assert [job.id for job in again] == [unheard.id]
    assert again[0].attempts == 1
    assert first.id != unheard.id
    assert await desk.claimed() == []


async def test_a_cancelled_claim_loses_nothing(desk: Desk) -> None:
    for number in range(40):
        await desk.accept(f"{number:02}", f"{number}@s.whatsapp.net")
    seen: list[str] = []
    cut = 0
    for step in range(1000):
        if len(seen) == 40:
            break
        claiming = asyncio.ensure_future(desk.claim())
        if step % 8:
            for _ in range(step % 23):
                await asyncio.sleep(0)
            claiming.cancel()
        try:
            jobs = await claiming
        except asyncio.CancelledError:
            cut += 1
            continue
        for job in jobs:
            seen.append(job.text)
            await desk.complete(job.text)
    assert cut > 0
    assert Counter(seen) == Counter(f"{number:02}" for number in range(40))


async def test_concurrent_claims_hand_out_each_message_once(desk: Desk) -> None:
    for number in range(60):
        await desk.accept(f"{number:02}", f"{number % 6}@s.whatsapp.net")
    order: dict[str, list[str]] = {}

    async def work() -> None:
        while sum(map(len, order.values())) < 60:
            for job in await desk.claim(2):
                order.setdefault(job.chat, []).append(job.text)
                await asyncio.sleep(0)
                await desk.complete(job.text)

    await asyncio.gather(*(work() for _ in range(4)))
    assert sum(map(len, order.values())) == 60
    for texts in order.values():
        assert texts == sorted(texts)
        assert len(texts) == 10


@SEVERAL_CONNECTIONS
async def test_g5_claims_of_an_old_epoch_and_without_a_lease_are_refused(desk: Desk) -> None:
    await desk.accept("a")
    old = desk.epoch
    await desk.take()
    for epoch in (old, 99):
        with pytest.raises(LeaseLost):
            await desk.lanes.claims.claim(SHOP, epoch, 10, desk.now)
    with pytest.raises(LeaseLost):
        await desk.lanes.claims.claim("other", 1, 10, desk.now)
    assert await desk.claimed() == ["a"]


async def test_the_claim_of_the_next_messages_reports_the_sent_ones(desk: Desk) -> None:
    for text in ("a1", "a2", "a3"):
        await desk.accept(text, ANA)
    await desk.accept("b1", BEN)
    assert await desk.claimed() == ["a1", "b1"]
    assert [job.text for job in await desk.claim(sent=["a1", "b1"])] == ["a2"]
    assert [await desk.status(text) for text in ("a1", "b1", "a2")] == ["sent", "sent", "sending"]
    await desk.check()


async def test_g3_g6_an_old_epoch_claims_nothing_and_its_proofs_count(desk: Desk) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    old = desk.epoch
    await desk.take()
    assert await desk.claimed() == ["a1"]
    with pytest.raises(LeaseLost):
        await desk.claim(epoch=old)
    assert await desk.claimed() == []  # what the owner has in hand is in its hand still
    with pytest.raises(LeaseLost):
        await desk.claim(sent=["a1"], epoch=old)
    assert await desk.status("a1") == "sent"
    assert await desk.claimed() == ["a2"]


async def test_an_owner_is_not_woken_for_what_it_frees_itself(desk: Desk) -> None:
    woken = keys.of(SHOP).wake
    for text in ("a1", "a2"):
        await desk.accept(text)
    await desk.claim()
    await desk.lanes.claims.wait(SHOP, 1)
    await desk.claim(sent=["a1"])
    assert await desk.redis.llen(woken) == 0
    await desk.claim(0, sent=["a2"])
    await desk.accept("a3")
    assert await desk.redis.llen(woken) == 1


async def test_a_proof_from_an_old_epoch_wakes_the_owner(desk: Desk) -> None:
    for text in ("a1", "a2"):
        await desk.accept(text)
    await desk.claim()
    old = desk.epoch
    await desk.take()
    await desk.claim()
    await desk.lanes.claims.wait(SHOP, 1)
    with pytest.raises(LeaseLost):
        await desk.claim(sent=["a1"], epoch=old)
    async with asyncio.timeout(WOKEN):
        await desk.lanes.claims.wait(SHOP, 30)
    assert await desk.claimed() == ["a2"]


async def test_what_is_more_urgent_costs_its_chat_no_turn(desk: Desk) -> None:
    """It has waited for more turns than a level of priority is worth."""
    await desk.accept("a1", ANA, priority=1)
    await desk.redis.hincrby(keys.of(SHOP).counters, "turn", 2000)
    await desk.accept("b1", BEN, priority=0)
    await desk.accept("a0", ANA, priority=0)
    assert [job.text for job in await desk.claim(1)] == ["a0"]


async def test_waiting_ends_when_something_is_queued(desk: Desk) -> None:
    await desk.lanes.claims.wait(SHOP, 1)  # the taking of the lease
    waiting = asyncio.ensure_future(desk.lanes.claims.wait(SHOP, 30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await desk.accept("a")
    async with asyncio.timeout(WOKEN):
        await waiting


async def test_waiting_misses_nothing_that_was_queued_after_the_claim(desk: Desk) -> None:
    await desk.lanes.claims.wait(SHOP, 1)
    assert await desk.claimed() == []
    await desk.accept("a")
    async with asyncio.timeout(WOKEN):
        await desk.lanes.claims.wait(SHOP, 30)


async def test_waiting_ends_by_itself(desk: Desk) -> None:
    await desk.lanes.claims.wait(SHOP, 1)
    for timeout in (0, 0.1):
        async with asyncio.timeout(WOKEN):
            await desk.lanes.claims.wait(SHOP, timeout)


@pytest.mark.parametrize(
    "what", ["send_at", "fail", "cancel", "receipt", "retry", "promote", "clock"]
)
async def test_waiting_ends_with_whatever_makes_a_claim_worthwhile(desk: Desk, what: str) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    if what in {"cancel", "promote", "clock"}:
        await desk.fail("a1", retry_in=60)
        await desk.lanes.promote(SHOP, desk.now)
    if what == "retry":
        await desk.fail("a1", permanent=True)
        await desk.drain()
    await desk.lanes.claims.wait(SHOP, 1)
    match what:
        case "send_at":
            await desk.accept("soon", send_at=desk.now + 1)
        case "fail":
            await desk.fail("a1", retry_in=1)
        case "cancel":
            await desk.cancel("a1")
        case "receipt":
            await desk.receipt("a1")
        case "retry":
            await desk.retry("a1")
        case "promote":
            await desk.lanes.promote(SHOP, desk.now + 60)
        case "clock":
            await desk.lanes.promote(SHOP, desk.now - 3600)
    async with asyncio.timeout(WOKEN):
        await desk.lanes.claims.wait(SHOP, 30)


async def test_a_new_epoch_wakes_the_old_owner_and_does_not_lose_the_next_token(
    desk: Desk, settings: Settings
) -> None:
    await desk.lanes.claims.wait(SHOP, 1)
    frozen = asyncio.ensure_future(desk.lanes.claims.wait(SHOP, 30))
    await asyncio.sleep(0.1)
    await desk.take()
    await frozen
    successor = OutboundQueue(desk.redis, settings)
    try:
        waiting = asyncio.ensure_future(successor.claims.wait(SHOP, 30))
        await asyncio.sleep(0.1)
        await desk.accept("a")
        async with asyncio.timeout(WOKEN):
            await waiting
    finally:
        await successor.close()
