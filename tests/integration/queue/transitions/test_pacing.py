"""A connection that sends no faster than a person would, across changes of its owner and deaths."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.outbound_queue import OutboundQueue
from actors.redis import keys
from actors.redis.leases.leases import Leases
from actors.runtime.limits.durations import DAY
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from tests.processes.valkey import Valkey

    Paced = Callable[..., Awaitable[Desk]]


@pytest_asyncio.fixture
async def paced(redis: Redis, server: Valkey) -> AsyncIterator[Paced]:
    """Makes desks of one queue, each as a process with these settings has it."""
    ports: list[OutboundQueue] = []

    async def make(**flags: int) -> Desk:
        lanes = OutboundQueue(redis, server.settings(queue_concurrency=3, **flags))
        ports.append(lanes)
        desk = Desk(redis, lanes, Leases(redis))
        await desk.take()
        return desk

    yield make
    if ports:
        await Desk(redis, ports[-1], Leases(redis)).check()
    for lanes in ports:
        await lanes.close()


async def due(desk: Desk) -> float | None:
    return (await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)).next_due


async def sent(desk: Desk) -> list[tuple[float, str]]:
    """Everything, each as soon as it may leave, with the seconds since the beginning."""
    began, log = desk.now, []
    while True:
        claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
        for job in claim.jobs:
            log.append((round(desk.now - began, 3), job.text))
            assert job.attempts == 1
            desk.ids[job.text] = job.id
            await desk.complete(job.text)
        if claim.next_due is None and not claim.jobs:
            return log
        if not claim.jobs:
            assert claim.next_due is not None
            assert claim.next_due > desk.now
            desk.now = claim.next_due


async def took(desk: Desk) -> list[int]:
    """Counts of messages by the time that they took, without empty bounds."""
    (flow,) = (await desk.lanes.reader.flows_many([SHOP])).values()
    return [count for count in flow.took if count]


async def test_off_by_default(paced: Paced) -> None:
    desk = await paced()
    for number in range(6):
        await desk.accept(f"a{number}", ANA)
    assert await sent(desk) == [(0, f"a{number}") for number in range(6)]
    assert await desk.redis.exists(keys.of(SHOP).gaps) == 0


async def test_messages_of_a_connection_are_spread_over_the_minute(paced: Paced) -> None:
    desk = await paced(pacing_messages_per_minute=20)
    for text, chat in (("a1", ANA), ("b1", BEN), ("a2", ANA), ("e1", EVA)):
        await desk.accept(text, chat)
    assert await sent(desk) == [(0, "a1"), (3, "b1"), (6, "e1"), (9, "a2")]
    assert await took(desk) == [4], "pacing is no slowness"


async def test_what_is_more_urgent_is_the_next_that_may_leave(paced: Paced) -> None:
    desk = await paced(pacing_messages_per_minute=60)
    await desk.accept("a1", ANA)
    await desk.accept("b1", BEN)
    assert await desk.claimed() == ["a1"]
    await desk.accept("urgent", LEO, priority=0)
    desk.now += 1
    assert await desk.claimed() == ["urgent"]


async def test_a_chat_rests_between_two_messages_and_holds_up_no_other(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=5000)
    for text, chat in (("a1", ANA), ("a2", ANA), ("b1", BEN), ("a3", ANA)):
        await desk.accept(text, chat)
    assert await sent(desk) == [(0, "a1"), (0, "b1"), (5, "a2"), (10, "a3")]


async def test_a_gap_has_jitter(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=2000, pacing_chat_jitter=1000)
    for number in range(9):
        await desk.accept(f"{number}")
    times = [at for at, _ in await sent(desk)]
    assert await took(desk) == [9]
    gaps = {round(later - before, 3) for before, later in pairwise(times)}
    assert all(2 <= gap <= 3 for gap in gaps)
    assert len(gaps) > 4


async def test_a_gap_runs_from_attempt_to_attempt(paced: Paced) -> None:
    """A retry that is due within the gap waits for its end, and is one more attempt, not two."""
    desk = await paced(pacing_chat_gap=10_000)
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", retry_in=1)
    desk.now += 1
    assert await desk.claimed() == []
    assert await due(desk) == desk.now + 9
    assert (await desk.get("a")).attempts == 1
    desk.now += 9
    (job,) = await desk.claim()
    assert job.attempts == 2
    await desk.complete("a")
    assert (await desk.lanes.reader.flows_many([SHOP]))[SHOP].took_seconds == 10, (
        "from its first attempt"
    )


@pytest.mark.parametrize(
    "flags", [{"pacing_messages_per_minute": 6}, {"pacing_chat_gap": 10_000}], ids=str
)
async def test_a_new_owner_begins_with_the_budget_of_the_old(
    paced: Paced, flags: dict[str, int]
) -> None:
    desk = await paced(**flags)
    await desk.accept("a1")
    await desk.accept("a2")
    assert await desk.claimed() == ["a1"]
    successor = await paced(**flags)
    successor.now = desk.now + 4
    assert await successor.claimed() == []
    assert await due(successor) == desk.now + 10
    successor.now = desk.now + 10
    assert await successor.claimed() == ["a1"]


async def test_what_was_not_sent_after_all_waits_like_the_rest(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=5000)
    await desk.accept("a")
    await desk.claim()
    await desk.unclaim("a")
    assert await desk.claimed() == []
    desk.now += 5
    (job,) = await desk.claim()
    assert job.attempts == 1
    await desk.complete("a")


async def test_a_resting_chat_can_be_emptied_and_filled(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=5000)
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.drain()
    await desk.check()
    await desk.cancel("a2")
    assert await due(desk) is None
    await desk.accept("a3")
    assert await desk.claimed() == []
    desk.now += 5
    assert await desk.drain() == ["a3"]


@pytest.mark.parametrize("how", ["the clock was put back", "pacing was turned off"])
async def test_nothing_rests_for_longer_than_the_settings_say(paced: Paced, how: str) -> None:
    desk = await paced(pacing_chat_gap=5000, pacing_messages_per_minute=6)
    await desk.accept("a1")
    await desk.claim()
    await desk.complete("a1")
    await desk.accept("a2")
    desk.now += 1
    await desk.lanes.close()
    gap_only = await paced(pacing_chat_gap=5000)
    gap_only.now = desk.now
    assert await gap_only.claimed() == []  # and so it rests
    if how == "pacing was turned off":
        later, most = await paced(), 0
        later.now = desk.now
    else:
        later, most = await paced(pacing_chat_gap=5000, pacing_messages_per_minute=6), 10
        later.now = desk.now - 3600
    ((at, text),) = await sent(later)
    assert text == "a2"
    assert at <= most


async def test_when_all_is_sent_no_key_is_left(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=5000, pacing_messages_per_minute=60)
    for text, chat in (("a1", ANA), ("a2", ANA), ("b1", BEN)):
        await desk.accept(text, chat)
    await sent(desk)
    desk.now += 5
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.redis.exists(keys.of(SHOP).gaps, keys.of(SHOP).resting) == 0


async def test_many_chats_that_rest_are_set_aside_in_bounded_steps(paced: Paced) -> None:
    desk = await paced(pacing_chat_gap=60_000)
    chats = [f"1555020{number:04}@s.whatsapp.net" for number in range(130)]
    for number, chat in enumerate(chats):
        await desk.accept(f"first {number}", chat)
        await desk.accept(f"second {number}", chat)
    for number in range(130):
        assert await desk.claimed(1) == [f"first {number}"]
        await desk.complete(f"first {number}")
    await desk.accept("behind them", LEO)
    while not (claim := await desk.lanes.claims.claim(SHOP, desk.epoch, 1, desk.now)).jobs:
        assert claim.next_due == desk.now
    assert claim.jobs[0].text == "behind them"


async def test_a_day_has_its_messages_and_the_next_one_too(paced: Paced) -> None:
    """Over several owners; a retry is no further message."""
    desk = await paced(pacing_messages_per_day=3)
    desk.now = 10 * DAY - 100.0
    for number in range(7):
        await desk.accept(f"{number}", (ANA, BEN)[number % 2])
    assert await desk.claimed() == ["0", "1"]
    await desk.fail("0", retry_in=1)
    await desk.complete("1")
    assert await desk.claimed() == ["3"]
    await desk.complete("3")
    desk.now += 1
    assert (await desk.claimed(), await due(desk)) == ([], 10 * DAY), "not even the retry"
    desk = await paced(pacing_messages_per_day=3)
    desk.now = 10 * DAY - 1.0
    assert (await desk.claimed(), await due(desk)) == ([], 10 * DAY)
    desk.now = 10 * DAY
    # The retry counted on the day before.
    assert [text for _, text in await sent_in(desk, DAY)] == ["5", "0", "2", "4"]
    assert [text for _, text in await sent_in(desk, DAY)] == ["6"]


async def sent_in(desk: Desk, seconds: float) -> list[tuple[float, str]]:
    """Everything that may leave within so many seconds; the clock stands at their end then."""
    end, log = desk.now + seconds, []
    while desk.now < end:
        claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
        for job in claim.jobs:
            log.append((desk.now, job.text))
            desk.ids[job.text] = job.id
            await desk.complete(job.text)
        if not claim.jobs:
            desk.now = min(claim.next_due or end, end)
    desk.now = end
    return log


async def test_the_pace_of_a_day_and_of_a_minute_hold_together(paced: Paced) -> None:
    desk = await paced(pacing_messages_per_day=2, pacing_messages_per_minute=6)
    desk.now = 10 * DAY
    for number in range(3):
        await desk.accept(f"{number}")
    assert await sent(desk) == [(0, "0"), (10, "1"), (DAY, "2")]


@pytest.mark.parametrize("how", ["defer", "unclaim"])
async def test_a_message_that_does_not_leave_takes_no_place_of_the_day(
    paced: Paced, how: str
) -> None:
    desk = await paced(pacing_messages_per_day=1)
    desk.now = 10 * DAY
    await desk.accept("a", ANA)
    await desk.accept("b", BEN)
    assert await desk.claimed() == ["a"]
    if how == "defer":
        await desk.defer("a", desk.now + DAY, "new_chats_paced")
        assert await desk.claimed() == ["b"]
    else:
        await desk.unclaim("a")
        assert await desk.claimed() == ["a"]
    assert (await desk.claimed(), await due(desk)) == ([], 11 * DAY)


async def test_a_message_that_is_deferred_leaves_its_pause_to_the_next(paced: Paced) -> None:
    """Where another one was claimed since, the pause is that one's."""
    desk = await paced(pacing_messages_per_minute=1)
    for text, chat in (("a", ANA), ("b", BEN), ("e", EVA), ("l", LEO)):
        await desk.accept(text, chat)

    assert await desk.claimed() == ["a"]
    await desk.defer("a", desk.now + DAY, "new_chats_paced")
    assert await desk.claimed() == ["b"]
    desk.now += 60
    assert await desk.claimed() == ["e"]
    await desk.defer("b", desk.now + DAY, "new_chats_paced")
    assert (await desk.claimed(), await due(desk)) == ([], desk.now + 60)


async def test_a_message_that_its_pace_holds_back_is_not_late(paced: Paced) -> None:
    """Nor once its time has come, until it could have left."""
    desk = await paced(pacing_messages_per_day=1)
    desk.now = 10 * DAY
    await desk.accept("a", ANA)
    await desk.accept("b", BEN)
    assert (await desk.counts()).oldest_at == 10 * DAY
    assert await desk.claimed() == ["a"]
    await desk.complete("a")
    assert await desk.claimed() == []
    assert (await desk.counts()).oldest_at == 11 * DAY


async def test_a_new_account_is_paced_by_its_age(paced: Paced) -> None:
    """Without a setting; one that is old, or of which nothing is known, is not."""
    desk = await paced()
    desk.now = 100 * DAY
    for number in range(5):
        await desk.accept(f"{number}", (ANA, BEN, EVA, LEO, ANA)[number])

    async def claim(linked_at: float | None) -> list[str]:
        claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 1, desk.now, linked_at=linked_at)
        for job in claim.jobs:
            desk.ids[job.text] = job.id
            await desk.complete(job.text)
        return [job.text for job in claim.jobs]

    assert await claim(99 * DAY) == ["0"]
    assert await claim(99 * DAY) == []
    desk.now += 15
    assert await claim(99 * DAY) == ["1"]
    assert await claim(0.0) == ["2"]
    assert await claim(None) == ["3"]
    assert await claim(72 * DAY) == ["4"]
