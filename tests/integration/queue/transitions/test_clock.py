"""A backoff lasts as long as it was given, wherever the clock is set; `send_at` follows the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.queue.desk import ANA, BEN, EVA, SHOP

if TYPE_CHECKING:
    from tests.integration.queue.desk import Desk


async def test_a_clock_that_is_set_back_prolongs_no_backoff(desk: Desk) -> None:
    """G8: the chat would be held for as long as the clock was set. `send_at` follows the clock."""
    desk.now = 10_000.0
    await desk.accept("fails")
    await desk.accept("planned", chat=BEN, send_at=desk.now + 60)
    await desk.claim()
    await desk.fail("fails", retry_in=30.0)
    assert await desk.lanes.promote(SHOP, desk.now) == pytest.approx(10_030)
    desk.now = 10_000 - 3600.0
    assert await desk.lanes.promote(SHOP, desk.now) == pytest.approx(10_030 - 3600)
    assert await desk.claimed() == []
    desk.now += 29
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == []
    desk.now += 1.5
    assert (await desk.get("fails")).retry_at == 10_030
    assert await desk.claimed() == ["fails"]
    assert (await desk.get("fails")).retry_at is None
    await desk.check()


async def test_clocks_that_differ_by_less_than_a_second_move_nothing(desk: Desk) -> None:
    desk.now = 10_000.0
    await desk.accept("fails")
    await desk.claim()
    await desk.fail("fails", retry_in=30.0)
    for difference in (0.0, -0.9, 0.9, -0.05):
        due = await desk.lanes.promote(SHOP, 10_000 + difference)
        assert due == pytest.approx(10_030)


async def test_a_clock_that_is_set_several_times_brings_each_backoff_its_time(desk: Desk) -> None:
    desk.now = 10_000.0
    for text, chat in (("first", ANA), ("second", BEN), ("third", EVA)):
        await desk.accept(text, chat)
        await desk.claim()
        await desk.fail(text, retry_in=30.0)
        await desk.lanes.promote(SHOP, desk.now)
        desk.now -= 500
        assert await desk.lanes.promote(SHOP, desk.now) == pytest.approx(desk.now + 30)
    desk.now += 29
    assert await desk.claimed() == []
    desk.now += 1
    assert await desk.claimed() == ["first", "second", "third"]


async def test_a_clock_that_is_set_back_costs_the_same_however_much_waits(desk: Desk) -> None:
    for number in range(120):
        await desk.accept(f"{number}", f"15550100{number:03}@s.whatsapp.net")
    for _ in range(40):
        for job in await desk.claim():
            desk.ids[job.text] = job.id
            await desk.fail(job.text, retry_in=30.0)
    assert (await desk.counts()).delayed == 120
    await desk.lanes.promote(SHOP, desk.now)

    async def calls() -> int:
        info: Any = await desk.redis.info("commandstats")
        return sum(stats["calls"] for stats in info.values())

    before = await calls()
    await desk.lanes.promote(SHOP, desk.now - 3600)
    assert await calls() - before < 60


async def test_a_clock_that_was_a_year_ahead_while_nobody_followed_it_strands_nothing(
    desk: Desk,
) -> None:
    """The QueueActor was down meanwhile, or the clock was another host's."""
    year = 365 * 86_400.0
    desk.now = 10_000.0
    for text, chat in (("failed", ANA), ("limited", BEN), ("right", EVA)):
        await desk.accept(text, chat)
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == ["failed", "limited", "right"]
    await desk.fail("right", retry_in=3600.0)
    desk.now += year
    await desk.fail("failed", retry_in=30.0)
    await desk.defer("limited", desk.now + 3600)
    desk.now += 60 - year
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == ["failed", "limited"]
    desk.now += 3600
    await desk.lanes.promote(SHOP, desk.now)
    assert await desk.claimed() == ["right"]
