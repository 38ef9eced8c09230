"""`oldest_at`: since when the message that waits longest could have left; limits are no such waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, SHOP, Desk

if TYPE_CHECKING:
    from redis.asyncio import Redis

HOUR = 3600.0


async def oldest(desk: Desk) -> float | None:
    """As a scrape finds it after the queue's upkeep, which promotes each second."""
    await desk.lanes.promote(SHOP, desk.now)
    return (await desk.counts()).oldest_at


async def test_a_chat_that_a_limit_holds_counts_from_the_end_of_the_limit(desk: Desk) -> None:
    began = desk.now
    for text in ("a1", "a2", "a3"):
        await desk.accept(text, ANA)
    await desk.claim()
    await desk.defer("a1", began + HOUR)
    assert await oldest(desk) == began + HOUR, "what waits behind it waits for the limit too"
    desk.now += 60
    await desk.accept("b", BEN)
    desk.now += 600
    assert await oldest(desk) == began + 60, "an answer that could leave and does not"
    await desk.claim()
    await desk.complete("b")
    desk.now = began + HOUR + 5
    assert await oldest(desk) == began + HOUR
    await desk.claim()
    await desk.complete("a1")
    desk.now += 60
    await desk.accept("a4", ANA)
    assert await oldest(desk) == began + HOUR, "a2 could have left since the limit is over"
    assert await desk.drain() == ["a2", "a3", "a4"]
    assert await oldest(desk) is None


async def test_a_limit_that_ends_at_another_time_counts_from_that_one(desk: Desk) -> None:
    began = desk.now
    for text, chat in (("a", ANA), ("b", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    await desk.claim()
    for text in ("a", "b", "e"):
        await desk.defer(text, began + HOUR)
    await desk.lift(began + 2 * HOUR)
    assert await oldest(desk) == began + 2 * HOUR
    desk.now += 60
    await desk.lift_chat(ANA)
    assert await oldest(desk) == began + 60
    desk.now += 60
    await desk.lift(desk.now)
    assert await oldest(desk) == began + 60
    await desk.claim()
    await desk.complete("a")
    assert await oldest(desk) == began + 120


async def test_what_follows_a_cancelled_one_counts_from_then(desk: Desk) -> None:
    began = desk.now
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    await desk.defer("a1", began + HOUR)
    desk.now += 60
    await desk.cancel("a1")
    assert await oldest(desk) == began + 60


async def test_a_backoff_is_waiting_for_nobody_but_the_service(desk: Desk) -> None:
    began = desk.now
    await desk.accept("a")
    for _ in range(3):
        await desk.claim()
        await desk.fail("a", retry_in=300)
        desk.now += 300
        assert await oldest(desk) == began


async def test_a_message_for_later_counts_from_its_time(desk: Desk) -> None:
    began = desk.now
    await desk.accept("later", send_at=began + HOUR)
    assert await oldest(desk) == began + HOUR
    desk.now += 60
    await desk.accept("now")
    assert await oldest(desk) == began + 60


async def test_a_chat_that_moves_on_counts_from_its_next_message(desk: Desk) -> None:
    """Also where each next one was given out ahead, so that the chat is never without a flight."""
    began = desk.now
    for number in range(6):
        await desk.accept(f"a{number}")
        desk.now += 1
    assert await oldest(desk) == began
    await desk.claim(ahead=True)
    for number in range(5):
        await desk.claim(sent=[f"a{number}"], ahead=True)
        assert await oldest(desk) == began + number + 1


async def test_an_older_release_that_emptied_a_lane_leaves_no_age(desk: Desk) -> None:
    await desk.accept("a")
    await desk.redis.zadd(keys.of(SHOP).since, {EVA: 5.0})
    assert (await desk.counts()).oldest_at == 5.0
    assert await oldest(desk) == desk.now
    assert await desk.redis.zscore(keys.of(SHOP).since, EVA) is None


async def test_a_look_costs_as_much_with_a_backlog_as_without(desk: Desk) -> None:
    await desk.accept("first")
    few = await commands(desk)
    chats = [f"1555020{number:04}@s.whatsapp.net" for number in range(50)]
    for number in range(20):
        for chat in chats:
            await desk.accept(f"{chat} {number}", chat)
    assert await commands(desk) == few


async def commands(desk: Desk) -> dict[str, Any]:
    """The commands that Redis ran for one look, by name."""
    before = await calls(desk.redis)
    await oldest(desk)
    after = await calls(desk.redis)
    return {name: count - before.get(name, 0) for name, count in after.items() if name != "info"}


async def calls(redis: Redis) -> dict[str, int]:
    stats: Any = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
