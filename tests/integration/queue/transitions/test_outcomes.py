from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from actors.queue.outbound_queue import LeaseLost
from tests.integration.queue.desk import ANA, BEN, SHOP, Desk


async def test_a_completed_message_is_sent(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    desk.now += 1
    await desk.complete("a")
    sent = await desk.get("a")
    assert (sent.status, sent.error, sent.uncertain) == ("sent", None, False)
    assert sent.times["sent"] == desk.now
    assert await desk.claimed() == []


async def test_g4_a_head_in_backoff_holds_its_chat_and_no_other(desk: Desk) -> None:
    await desk.accept("a1", ANA)
    await desk.accept("a2", ANA)
    await desk.claim()
    assert await desk.fail("a1", retry_in=60) == "waiting"
    await desk.accept("b", BEN)
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
    assert [job.text for job in claim.jobs] == ["b"]
    assert claim.next_due == desk.now + 60
    waiting = await desk.get("a1")
    assert (waiting.status, waiting.error, waiting.retry_at) == (
        "waiting",
        "ack_timeout",
        desk.now + 60,
    )
    await desk.complete("b")
    desk.now += 60
    assert await desk.drain() == ["a1", "a2"]


async def test_a_more_urgent_message_waits_for_the_retry_too(desk: Desk) -> None:
    await desk.accept("a5")
    await desk.claim()
    await desk.fail("a5", retry_in=60)
    await desk.accept("a0", priority=0)
    assert await desk.claimed() == []
    desk.now += 60
    assert await desk.drain() == ["a0", "a5"]


async def test_attempts_are_counted(desk: Desk) -> None:
    await desk.accept("a")
    for attempt in (1, 2, 3):
        (job,) = await desk.claim()
        assert job.attempts == attempt
        await desk.fail("a", retry_in=1)
        desk.now += 1
    assert (await desk.get("a")).attempts == 3


async def test_g2_a_message_without_another_attempt_is_dead_with_the_reason(desk: Desk) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    assert await desk.fail("a1") == "dead"
    dead = await desk.get("a1")
    assert (dead.status, dead.error, dead.uncertain) == ("dead", "ack_timeout", False)
    assert dead.times["dead"] == desk.now
    assert [each.record.text for each in await desk.lanes.dead_letters.page(SHOP, 10)] == ["a1"]
    assert await desk.drain() == ["a2"]  # the dead one freed its chat


async def test_a_permanent_refusal_is_dead_whatever_the_retry(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    assert await desk.fail("a", permanent=True, retry_in=5) == "dead"


async def test_g3_a_dead_message_whose_ack_never_came_says_uncertain(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", retry_in=1, uncertain=True)
    desk.now += 1
    await desk.claim()
    await desk.fail("a", uncertain=False)
    assert (await desk.get("a")).uncertain


async def test_g3_a_cancelled_message_whose_ack_never_came_says_uncertain(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", retry_in=1, uncertain=True)
    assert (await desk.cancel("a")).uncertain


async def test_no_attempt_made_is_none_counted_and_the_old_place(desk: Desk) -> None:
    await desk.accept("a1", ANA)
    await desk.accept("b1", BEN)
    await desk.accept("a2", ANA)
    assert [job.text for job in await desk.claim(1)] == ["a1"]
    await desk.unclaim("a1")
    record = await desk.get("a1")
    assert (record.status, record.attempts, record.uncertain) == ("queued", 0, False)
    (job,) = await desk.claim(1)
    assert (job.text, job.attempts) == ("a1", 1)
    await desk.complete("a1")
    assert await desk.drain() == ["b1", "a2"]


async def test_an_outcome_is_about_its_own_attempt_only(desk: Desk) -> None:
    """A repeated failure that arrives late must not end the attempt that came after it."""
    await desk.accept("a")
    (job,) = await desk.claim()
    late = (desk.epoch, job.message_id, 1, "ack_timeout", 0, "")
    await desk.fail("a", retry_in=1)
    desk.now += 1
    await desk.claim()
    assert await desk.lanes._transitions.run(SHOP, "fail", desk.now, *late) == "sending"
    assert await desk.lanes._transitions.run(SHOP, "unclaim", desk.now, *late[:3]) == "kept"
    record = await desk.get("a")
    assert (record.status, record.attempts) == ("sending", 2)


async def in_queue(desk: Desk) -> None:
    del desk


async def in_flight(desk: Desk) -> None:
    await desk.claim()


async def in_backoff(desk: Desk) -> None:
    await desk.claim()
    await desk.fail("a1", retry_in=60, uncertain=True)


async def queued_again(desk: Desk) -> None:
    await desk.claim()
    await desk.take()


async def in_flight_again(desk: Desk) -> None:
    await queued_again(desk)
    await desk.claim()


async def dead(desk: Desk) -> None:
    await desk.claim()
    await desk.fail("a1", uncertain=True)


async def cancelled(desk: Desk) -> None:
    await in_backoff(desk)
    await desk.cancel("a1")


async def redriven(desk: Desk) -> None:
    await dead(desk)
    await desk.retry("a1")


STATES = [in_queue, in_flight, in_backoff, queued_again, in_flight_again, dead, cancelled, redriven]
Reach = Callable[[Desk], Awaitable[None]]


@pytest.mark.parametrize("reach", STATES)
@pytest.mark.parametrize("proof", ["ack", "late ack", "delivered", "read"])
async def test_g3_a_late_proof_counts_in_whatever_state_it_finds_the_message(
    desk: Desk, reach: Reach, proof: str
) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await reach(desk)
    desk.now += 1
    match proof:
        case "ack":
            await desk.complete("a1")
        case "late ack":
            with pytest.raises(LeaseLost):
                await desk.complete("a1", epoch=desk.epoch - 1 or 99)
        case _:
            await desk.receipt("a1", proof)
    record = await desk.get("a1")
    assert record.status == ("sent" if "ack" in proof else proof)
    assert (record.uncertain, record.error) == (False, None)
    assert record.times["sent"] == desk.now
    await desk.check()
    # It is not sent again, and its chat goes on.
    desk.now += 100
    assert "a1" not in await desk.drain()
    assert await desk.status("a2") == "sent"


async def test_what_a_proof_ended_can_neither_fail_nor_go_back(desk: Desk) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    await desk.receipt("a1", "delivered")
    assert await desk.fail("a1", retry_in=1) == "sent"
    await desk.unclaim("a1")
    await desk.complete("a1")
    assert await desk.status("a1") == "delivered"
    assert await desk.drain() == ["a2"]


@pytest.mark.parametrize(
    ("receipts", "status"),
    [
        (["delivered"], "delivered"),
        (["read"], "read"),
        (["delivered", "read"], "read"),
        (["read", "delivered"], "read"),
        (["delivered", "delivered"], "delivered"),
    ],
)
async def test_receipts_are_monotone(desk: Desk, receipts: list[str], status: str) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.complete("a")
    for receipt in receipts:
        desk.now += 1
        await desk.receipt("a", receipt)
    record = await desk.get("a")
    assert record.status == status
    assert set(record.times) >= {"sent", *receipts}


async def test_the_first_of_equal_receipts_counts(desk: Desk) -> None:
    await desk.accept("a")
    await desk.drain()
    await desk.receipt("a")
    first = await desk.get("a")
    desk.now += 5
    await desk.receipt("a")
    assert await desk.get("a") == first


async def test_receipts_for_messages_without_a_record_are_given_back(desk: Desk) -> None:
    """Those with an id of another form are of no message of this service."""
    known = (await desk.accept("a")).message_id
    named = (known, "3EB0000000000000000000", "anything")
    unknown = await desk.lanes.receipts(SHOP, [(each, "read", 1.0) for each in named])
    assert unknown == {"3EB0000000000000000000"}
    assert await desk.status("a") == "read"
    assert await desk.lanes.receipts(SHOP, []) == set()


OUTCOMES: dict[str, Any] = {
    "complete": lambda desk: desk.complete("a1", epoch=1),
    "fail": lambda desk: desk.fail("a1", epoch=1, retry_in=5),
    "unclaim": lambda desk: desk.unclaim("a1", epoch=1),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("ended", ["taken", "released"])
async def test_g5_an_old_epoch_is_refused(desk: Desk, outcome: str, ended: str) -> None:
    await desk.accept("a1")
    await desk.claim()
    if ended == "taken":
        await desk.take()
        await desk.claim()  # the new owner has it in flight
    else:
        await desk.leases.release(SHOP, 1, state="stopped", cause=None, now=desk.now)
    before = await desk.get("a1")
    with pytest.raises(LeaseLost):
        await OUTCOMES[outcome](desk)
    after = await desk.get("a1")
    if outcome == "complete":
        assert after.status == "sent"
    else:
        assert after == before


async def test_outcomes_of_other_connections_are_a_mistake(desk: Desk) -> None:
    record = await desk.accept("a")
    with pytest.raises(ValueError, match="not a message of this connection"):
        await desk.lanes.claims.complete("other", 1, record.id, at=1, now=1)


async def test_times_follow_the_steps_though_whatsapp_counts_whole_seconds(desk: Desk) -> None:
    desk.now = 1000.75
    record = await desk.accept("a")
    await desk.claim()
    lanes, sent = desk.lanes, [record.message_id]
    await lanes.claims.complete(SHOP, desk.epoch, record.id, at=1000.0, now=1000.85)
    await lanes.receipts(SHOP, [(each, "delivered", 1001.0) for each in sent], now=1001.25)
    await lanes.receipts(SHOP, [(each, "read", 1000.0) for each in sent], now=1600.0)
    times = (await desk.get("a")).times
    assert (times["sent"], times["delivered"], times["read"]) == (1000.85, 1001.25, 1001.25)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize(
    "statuses", [("delivered", "read"), ("read", "delivered"), ("delivered", "delivered")]
)
async def test_receipts_that_come_together_are_one_change_and_say_the_same(
    desk: Desk,
    sent: bool,
    statuses: tuple[Literal["delivered", "read"], ...],
) -> None:
    desk.now = 1000.75
    for text, chat in (("apart", ANA), ("together", BEN)):
        await desk.accept(text, chat)
    if sent:
        await desk.drain()
    ids = {text: record.partition(".")[2] for text, record in desk.ids.items()}
    proofs = [(status, 1010.0 + number) for number, status in enumerate(statuses)]
    before = (await desk.get("together")).revision
    together = [(ids["together"], *proof) for proof in proofs]
    await desk.lanes.receipts(SHOP, together, now=1020.5)
    once = await desk.get("together")
    counts = (await desk.lanes.reader.flows_many([SHOP]))[SHOP].counts
    for status, at in proofs:
        await desk.lanes.receipts(SHOP, [(ids["apart"], status, at)], now=1020.5)
    apart = await desk.get("apart")
    twice = (await desk.lanes.reader.flows_many([SHOP]))[SHOP].counts
    assert (once.status, once.times) == (apart.status, apart.times)
    assert once.revision == before + 1
    assert (twice["delivered"], twice["read"]) == (2 * counts["delivered"], 2 * counts["read"])


async def test_a_receipt_that_waited_keeps_whatsapps_time(desk: Desk) -> None:
    desk.now = 1000.75
    record = await desk.accept("a")
    await desk.claim()
    await desk.lanes.receipts(SHOP, [(record.message_id, "read", 1100.0)], now=9000.5)
    times = (await desk.get("a")).times
    assert (times["sent"], times["read"]) == (1100.0, 1100.0)


async def test_a_server_whose_clock_is_ahead_writes_no_time_to_come(desk: Desk) -> None:
    desk.now = 1000.75
    record = await desk.accept("a")
    await desk.claim()
    await desk.lanes.claims.complete(SHOP, desk.epoch, record.id, at=1060.0, now=1000.85)
    assert (await desk.get("a")).times["sent"] == 1000.85


async def test_what_is_still_to_be_sent_keeps_its_words(desk: Desk) -> None:
    """It was deleted for everyone, and what was sent of it is forgotten; the rest has to leave."""
    for text in ("sent", "dead", "queued"):
        record = await desk.accept(text)
        if text != "queued":
            await desk.claim()
        if text == "sent":
            await desk.complete(text)
        elif text == "dead":
            await desk.fail(text, permanent=True)
        await desk.lanes.redact(SHOP, record.message_id, desk.now)
    words = {text: record.text for text, record in (await desk.records()).items()}
    assert words == {"sent": "", "dead": "dead", "queued": "queued"}
