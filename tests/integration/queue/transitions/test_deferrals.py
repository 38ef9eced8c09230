"""Messages that a limit of the account keeps from leaving wait at their place, without an attempt."""

from __future__ import annotations

import pytest

from actors.queue import claims
from actors.queue.outbound_queue import LeaseLost
from tests.integration.queue.desk import ANA, BEN, EVA, SHOP, Desk

CAPPED = "new_chats_capped"


async def test_g4_a_deferred_message_holds_its_chat_and_no_other(desk: Desk) -> None:
    for text in ("a1", "a2"):
        await desk.accept(text, ANA)
    await desk.accept("b", BEN)
    await desk.claim()
    await desk.defer("a1", desk.now + 3600)
    await desk.complete("b")
    assert await desk.claimed() == []
    record = await desk.get("a1")
    assert (record.status, record.error, record.attempts) == ("waiting", "reach_out_limited", 0)
    assert (record.retry_at, record.uncertain) == (desk.now + 3600, False)
    assert (await desk.counts()).delayed == 1
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
    assert claim.next_due == desk.now + 3600
    desk.now += 3600
    assert await desk.drain() == ["a1", "a2"]
    sent = await desk.get("a1")
    assert (sent.attempts, sent.error) == (1, None)


async def test_no_attempt_counts_however_often_it_is_deferred(desk: Desk) -> None:
    await desk.accept("a")
    for _ in range(12):
        (job,) = await desk.claim()
        assert job.attempts == 1
        await desk.defer("a", desk.now + 60)
        desk.now += 60
    flow = (await desk.lanes.reader.flows_many([SHOP]))[SHOP]
    assert (flow.counts["retries"], flow.counts["dead"]) == (0, 0)


async def test_what_was_to_follow_it_stays_behind_it(desk: Desk) -> None:
    for text in ("a1", "a2", "a3"):
        await desk.accept(text)
    assert [job.text for job in await desk.claim(ahead=True)] == ["a1", "a2"]
    await desk.defer("a1", desk.now + 60, behind=["a2"])
    assert [await desk.status(text) for text in ("a1", "a2", "a3")] == [
        "waiting",
        "queued",
        "queued",
    ]
    desk.now += 60
    assert await desk.drain() == ["a1", "a2", "a3"]
    assert (await desk.get("a2")).attempts == 1


async def test_it_waits_as_long_as_was_reported_last(desk: Desk) -> None:
    await desk.accept("longer", ANA)
    await desk.accept("failed", BEN)
    await desk.accept("capped", EVA)
    await desk.claim()
    await desk.defer("longer", desk.now + 60)
    await desk.fail("failed", retry_in=60)
    await desk.defer("capped", desk.now + 60, CAPPED)
    before = (await desk.get("longer")).revision
    await desk.lift(desk.now + 600)
    found = await desk.get("longer")
    assert (found.retry_at, found.status) == (desk.now + 600, "waiting")
    assert found.revision > before  # for the mirror
    desk.now += 60
    assert await desk.claimed() == ["capped", "failed"]
    desk.now += 540
    assert await desk.claimed() == ["longer"]


async def test_a_limit_that_is_lifted_lets_all_go_at_once(desk: Desk) -> None:
    for text, chat in (("a", ANA), ("b", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    await desk.claim()
    await desk.defer("a", desk.now + 3600)
    await desk.defer("b", desk.now + 3600)
    await desk.defer("e", desk.now + 3600, CAPPED)
    await desk.lanes.claims.wait(SHOP, 0.1)
    await desk.lift(desk.now)
    await desk.lanes.claims.wait(SHOP, 20)  # each waiter is woken
    assert await desk.claimed() == ["a", "b"]
    await desk.lift(desk.now, "reach_out_limited", CAPPED)
    assert await desk.claimed() == ["e"]


async def test_more_are_lifted_than_one_script_looks_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MESSAGES_PER_SCRIPT", 3)
    chats = [f"1555020{number:04}@s.whatsapp.net" for number in range(40)]
    for chat in chats:
        await desk.accept(chat, chat)
    for _ in range(14):
        for job in await desk.claim():
            await desk.defer(job.text, desk.now + 3600)
    await desk.lift(desk.now + 5)
    records = await desk.records()
    assert {record.retry_at for record in records.values()} == {desk.now + 5}
    desk.now += 5
    assert len(await desk.drain(3)) == 40


async def test_one_chat_goes_on_though_more_urgent_ones_stand_before_what_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MESSAGES_PER_SCRIPT", 2)
    await desk.accept("a", ANA)
    await desk.accept("b", BEN)
    await desk.claim()
    await desk.defer("a", desk.now + 3600)
    await desk.defer("b", desk.now + 3600)
    urgent = [f"urgent {number}" for number in range(5)]
    for text in urgent:
        await desk.accept(text, ANA, priority=0)
    await desk.lift_chat(EVA)  # has nothing
    assert await desk.claimed() == []
    await desk.lift_chat(ANA)
    assert await desk.drain() == [*urgent, "a"]
    assert await desk.status("b") == "waiting"
    await desk.lift_chat(BEN, CAPPED)
    assert await desk.status("b") == "waiting"


async def test_it_can_be_cancelled_and_proved(desk: Desk) -> None:
    for text, chat in (("a", ANA), ("b", BEN)):
        await desk.accept(text, chat)
    await desk.claim()
    await desk.defer("a", desk.now + 3600)
    await desk.defer("b", desk.now + 3600)
    assert (await desk.cancel("a")).status == "cancelled"
    await desk.receipt("b")  # it had left before, under another owner
    assert await desk.status("b") == "delivered"
    await desk.lift(desk.now)
    assert await desk.drain() == []


async def test_g6_an_old_owner_defers_and_lifts_nothing(desk: Desk) -> None:
    await desk.accept("a")
    await desk.accept("b", BEN)
    await desk.claim()
    await desk.defer("b", desk.now + 3600)
    old = desk.epoch
    await desk.take("crashed")
    with pytest.raises(LeaseLost):
        await desk.defer("a", desk.now + 60, epoch=old)
    with pytest.raises(LeaseLost):
        await desk.lift(desk.now, epoch=old)
    assert [await desk.status(text) for text in ("a", "b")] == ["queued", "waiting"]


async def test_an_outcome_that_comes_late_defers_no_later_attempt(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.complete("a")
    await desk.defer("a", desk.now + 60)
    assert await desk.status("a") == "sent"


async def test_a_clock_that_is_set_back_prolongs_nothing(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.lanes.promote(SHOP, desk.now)
    await desk.defer("a", desk.now + 60)
    desk.now -= 600
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == []
    desk.now += 60
    assert await desk.claimed() == ["a"]
