"""A message that kills its owner twice kills no third, and no other message pays for it."""

from __future__ import annotations

import pytest

from actors.queue.records import Crash
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk


async def crash(desk: Desk, how: str | None = "crashed") -> None:
    """The owner dies; with `how` the root saw it."""
    await desk.take(how)


async def test_a_message_that_crashes_its_owner_twice_is_dead_with_the_evidence(
    desk: Desk,
) -> None:
    await desk.accept("bad")
    await desk.accept("next")
    assert await desk.claimed() == ["bad"]
    desk.now += 2
    await crash(desk, "crashed")
    desk.now += 1
    assert await desk.claimed() == ["bad"]
    desk.now += 5
    await crash(desk, "hung")
    record = await desk.get("bad")
    assert (record.status, record.error, record.uncertain) == ("dead", "poison", True)
    assert record.crashes == (
        Crash(sending_at=1000, noticed_at=1002, epoch=1, cause="crashed"),
        Crash(sending_at=1003, noticed_at=1008, epoch=2, cause="hung"),
    )
    assert record.times["dead"] == 1008
    assert [letter.record.id for letter in await desk.lanes.dead_letters.page(SHOP, 10)] == [
        record.id
    ]
    assert await desk.drain() == ["next"]


async def test_power_cuts_accuse_nobody(desk: Desk) -> None:
    """Nobody saw how the owner ended: all of it ended at once."""
    await desk.accept("innocent")
    for _ in range(3):
        assert await desk.claimed() == ["innocent"]
        await crash(desk, None)
    await desk.claim()
    await crash(desk, "crashed")
    assert await desk.drain() == ["innocent"]


async def test_one_with_which_all_of_it_ends_again_and_again_is_dead(desk: Desk) -> None:
    await desk.accept("bad")
    for _ in range(5):
        assert await desk.claimed() == ["bad"]
        await crash(desk, None)
    record = await desk.get("bad")
    assert (record.status, record.error) == ("dead", "poison")
    assert [seen.cause for seen in record.crashes] == ["unseen"] * 5


async def test_what_was_in_flight_beside_it_flies_alone_and_is_sent(desk: Desk) -> None:
    for text, chat in (("a", ANA), ("bad", BEN), ("e", EVA), ("l", LEO)):
        await desk.accept(text, chat)
    assert await desk.claimed() == ["a", "bad", "e"]
    await crash(desk)
    sent = []
    for _ in range(4):
        jobs = await desk.claim()
        assert len(jobs) == 1
        if jobs[0].text == "bad":
            assert await desk.claimed() == []
            await crash(desk)
            continue
        assert await desk.claimed() == []  # none joins it
        await desk.complete(jobs[0].text)
        sent.append(jobs[0].text)
    assert sorted(sent) == ["a", "e", "l"]
    assert await desk.status("bad") == "dead"


async def test_a_suspect_waits_until_what_flies_has_landed_and_nothing_passes_it(
    desk: Desk,
) -> None:
    await desk.accept("suspect", ANA)
    await desk.claim()
    await crash(desk)
    await desk.claim()
    await desk.fail("suspect", retry_in=10)
    for text, chat in (("b1", BEN), ("b2", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    assert await desk.claimed(1) == ["b1"]
    desk.now += 10
    assert await desk.claimed(1) == ["e"]  # it was before it
    assert await desk.claimed(1) == []
    await desk.complete("b1")
    assert await desk.claimed(1) == []
    await desk.complete("e")
    assert await desk.claimed(1) == ["suspect"]
    await desk.complete("suspect")
    assert await desk.drain() == ["b2"]


async def test_an_owner_that_gives_back_what_it_has_accuses_none(desk: Desk) -> None:
    await desk.accept("a")
    for _ in range(3):
        assert await desk.claimed() == ["a"]
        await desk.leases.release(SHOP, desk.epoch, state="stopped", cause=None, now=desk.now)
        await crash(desk)
    assert (await desk.get("a")).crashes == ()
    assert await desk.drain() == ["a"]


async def test_one_that_is_not_sent_at_the_crash_is_no_suspect(desk: Desk) -> None:
    await desk.accept("bad", ANA)
    await desk.claim()
    await crash(desk)
    await desk.accept("other", BEN)
    await desk.claim()
    await crash(desk)
    assert await desk.status("bad") == "dead"
    assert (await desk.get("other")).crashes == ()
    assert await desk.drain() == ["other"]


async def test_a_late_proof_clears_it(desk: Desk) -> None:
    await desk.accept("bad")
    for _ in range(2):
        await desk.claim()
        await crash(desk)
    await desk.receipt("bad", "delivered")
    record = await desk.get("bad")
    assert (record.status, record.error, record.uncertain) == ("delivered", None, False)
    assert await desk.lanes.dead_letters.page(SHOP, 10) == []


async def test_a_redriven_one_is_judged_anew(desk: Desk) -> None:
    await desk.accept("bad")
    for _ in range(2):
        await desk.claim()
        await crash(desk)
    desk.now += 1
    assert (await desk.retry("bad")).crashes == ()
    await desk.claim()
    await crash(desk)
    assert await desk.drain() == ["bad"]


@pytest.mark.parametrize("how", ["crashed", None])
async def test_how_the_owner_ended_is_said_where_it_was_seen(desk: Desk, how: str | None) -> None:
    await desk.accept("a")
    await desk.claim()
    await crash(desk, how)
    (seen,) = (await desk.get("a")).crashes
    assert seen.cause == (how or "unseen")
    await desk.claim()
    await crash(desk, None)  # what was seen of an earlier end is not said of this one
    assert (await desk.get("a")).crashes[-1].cause == "unseen"


async def test_what_crashed_an_owner_follows_nobody(desk: Desk) -> None:
    """It would be in flight beside another, and both were suspects then."""
    await desk.accept("bad", priority=5)
    assert await desk.claimed() == ["bad"]
    await crash(desk)
    await desk.accept("urgent", priority=0)
    assert [job.text for job in await desk.claim(ahead=True)] == ["urgent"]
    assert await desk.claim(ahead=True) == []
    await desk.complete("urgent")
    assert [job.text for job in await desk.claim(ahead=True)] == ["bad"]
    await desk.complete("bad")
