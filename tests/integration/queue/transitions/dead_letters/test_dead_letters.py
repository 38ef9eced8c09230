from __future__ import annotations

import asyncio

import pytest

from actors.queue.outbound_queue import LeaseLost, NotCancellable, NotDead, NotFound
from tests.integration.queue.desk import ANA, BEN, SHOP, Desk

UNKNOWN = [
    f"{SHOP}.3EB0D59EFA0BEB69943568",
    "shop.in.0123",
    "",
    "not a connection.3EB0000000000000000000",
]


async def die(desk: Desk, *texts: str, chat: str = ANA) -> None:
    for text in texts:
        await desk.accept(text, chat)
        await desk.claim()
        await desk.fail(text, permanent=True)


@pytest.mark.parametrize("how", ["queued", "waiting", "scheduled"])
async def test_what_is_not_being_sent_can_be_cancelled(desk: Desk, how: str) -> None:
    await desk.accept("a1", send_at=desk.now + 60 if how == "scheduled" else None)
    await desk.accept("a2")
    if how == "waiting":
        await desk.claim()
        await desk.fail("a1", retry_in=60)
    desk.now += 1
    record = await desk.cancel("a1")
    assert (record.status, record.times["cancelled"]) == ("cancelled", desk.now)
    assert await desk.get("a1") == record
    await desk.check()
    desk.now += 100
    assert await desk.drain() == ["a2"]  # a cancelled head in backoff frees its chat


async def test_the_only_message_of_a_chat_can_be_cancelled(desk: Desk) -> None:
    await desk.accept("a")
    await desk.cancel("a")
    assert await desk.claimed() == []
    await desk.accept("a2")
    assert await desk.drain() == ["a2"]


@pytest.mark.parametrize("status", ["sending", "sent", "delivered", "dead"])
async def test_what_is_being_sent_or_finished_cannot_be_cancelled(desk: Desk, status: str) -> None:
    await desk.accept("a")
    await desk.claim()
    match status:
        case "sent":
            await desk.complete("a")
        case "delivered":
            await desk.receipt("a")
        case "dead":
            await desk.fail("a")
    before = await desk.get("a")
    with pytest.raises(NotCancellable) as refused:
        await desk.cancel("a")
    assert refused.value.status == status
    assert await desk.get("a") == before


async def test_a_cancelled_message_is_cancelled_again(desk: Desk) -> None:
    await desk.accept("a")
    first = await desk.cancel("a")
    assert await desk.cancel("a") == first


async def test_of_a_cancel_and_a_claim_one_wins(desk: Desk) -> None:
    won = {"cancel": 0, "claim": 0}
    for number in range(100):
        text = f"{number}"
        await desk.accept(text)
        claiming = desk.claim()
        cancelling = desk.cancel(text)
        if number % 2:
            claimed, cancelled = await asyncio.gather(claiming, cancelling, return_exceptions=True)
        else:
            cancelled, claimed = await asyncio.gather(cancelling, claiming, return_exceptions=True)
        assert isinstance(claimed, list)
        assert bool(claimed) == isinstance(cancelled, NotCancellable)
        won["claim" if claimed else "cancel"] += 1
        if claimed:
            await desk.complete(text)
    assert min(won.values()) > 10


@pytest.mark.parametrize("id_", UNKNOWN)
async def test_unknown_messages_are_not_found(desk: Desk, id_: str) -> None:
    assert await desk.lanes.reader.get(id_) is None
    with pytest.raises(NotFound):
        await desk.lanes.cancel(id_)
    with pytest.raises(NotFound):
        await desk.lanes.dead_letters.retry(id_)


async def test_a_redriven_message_joins_the_tail_with_all_attempts_before_it(desk: Desk) -> None:
    await die(desk, "a1")
    await desk.accept("a2")
    desk.now += 5
    record = await desk.retry("a1")
    assert (record.status, record.attempts, record.error) == ("queued", 0, None)
    assert record.message_id == (await desk.get("a1")).message_id
    assert await desk.lanes.dead_letters.page(SHOP, 10) == []
    (job,) = await desk.claim()
    assert job.text == "a2"
    await desk.complete("a2")
    (job,) = await desk.claim()
    assert (job.text, job.attempts) == ("a1", 1)
    await desk.complete("a1")


async def test_g3_a_redriven_message_stays_uncertain(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", uncertain=True)
    await desk.retry("a")
    assert (await desk.cancel("a")).uncertain


async def test_only_a_dead_letter_can_be_retried(desk: Desk) -> None:
    await desk.accept("a")
    for status in ("queued", "sending", "sent"):
        with pytest.raises(NotDead) as refused:
            await desk.retry("a")
        assert refused.value.status == status
        desk.now += 1
        await (desk.claim() if status == "queued" else desk.complete("a"))


async def test_all_dead_letters_of_a_connection_are_retried_in_order(desk: Desk) -> None:
    texts = [f"{number:03}" for number in range(120)]
    await die(desk, *texts)
    assert await desk.lanes.dead_letters.retry_all(SHOP, desk.now + 1) == 120
    assert await desk.lanes.dead_letters.retry_all(SHOP, desk.now + 2) == 0
    assert await desk.drain() == texts


async def test_dead_letters_are_listed_in_pages_oldest_first(desk: Desk) -> None:
    texts = [f"{number}" for number in range(5)]
    await die(desk, *texts)
    await die(desk, "b", chat=BEN)
    first = await desk.lanes.dead_letters.page(SHOP, 2)
    second = await desk.lanes.dead_letters.page(SHOP, 10, first[-1].place)
    assert [each.record.text for each in first + second] == [*texts, "b"]
    assert await desk.lanes.dead_letters.page(SHOP, 10, second[-1].place) == []


async def test_a_page_goes_on_behind_a_letter_that_was_retried(desk: Desk) -> None:
    await die(desk, "1", "2", "3")
    (first,) = await desk.lanes.dead_letters.page(SHOP, 1)
    await desk.retry("1")
    assert await texts(desk, first.place) == ["2", "3"]
    await desk.claim()
    await desk.fail("1")
    assert await texts(desk, first.place) == await texts(desk, 0) == ["2", "3", "1"]


async def texts(desk: Desk, behind: int) -> list[str]:
    return [each.record.text for each in await desk.lanes.dead_letters.page(SHOP, 10, behind)]


async def test_a_claim_after_the_lease_was_lost_takes_nothing(desk: Desk) -> None:
    await desk.accept("a")
    await desk.leases.release(SHOP, desk.epoch, state="stopped", cause=None, now=desk.now)
    with pytest.raises(LeaseLost):
        await desk.claim()
    assert await desk.status("a") == "queued"
