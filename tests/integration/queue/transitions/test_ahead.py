"""One more of a chat is given out to follow the one in flight: its owner has not to ask in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import NotCancellable, OutboundQueue
from actors.redis.leases.leases import Leases
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from actors.config.settings import Settings


async def accepted(desk: Desk, *texts: str, chat: str = ANA) -> None:
    for text in texts:
        await desk.accept(text, chat)


async def given(desk: Desk, limit: int = 10, sent: Sequence[str] = ()) -> list[str]:
    return [job.text for job in await desk.claim(limit, sent=sent, ahead=True)]


async def test_g4_nothing_follows_a_message_that_its_owner_never_got(
    desk: Desk, settings: Settings
) -> None:
    """It would leave at once, and before the one in flight."""
    await accepted(desk, "a1", "a2")
    await desk.claim(1)  # whose answer was lost
    desk.lanes = OutboundQueue(desk.redis, settings)
    assert await given(desk, limit=0) == []
    assert await given(desk) == ["a1", "a2"]


async def test_g4_the_next_of_a_chat_follows_in_its_order(desk: Desk) -> None:
    await accepted(desk, "a1", "a2", "a3", "a4")
    assert await given(desk) == ["a1", "a2"]
    assert await given(desk) == []
    assert await given(desk, sent=["a1"]) == ["a3"]
    assert await given(desk, limit=0, sent=["a2"]) == ["a4"]
    assert (await desk.counts()).active == 2
    for text in ("a3", "a4"):
        await desk.complete(text)
    assert [await desk.status(f"a{number}") for number in range(1, 5)] == ["sent"] * 4


async def test_it_is_asked_for(desk: Desk) -> None:
    await accepted(desk, "a1", "a2")
    assert await desk.claimed() == ["a1"]


async def test_none_is_given_while_another_chat_waits_for_its_turn(desk: Desk) -> None:
    for chat in (ANA, BEN, EVA, LEO):
        await accepted(desk, f"{chat} 1", f"{chat} 2", chat=chat)
    assert len(await given(desk)) == 3  # the concurrency, and one waits
    assert await given(desk, sent=[f"{ANA} 1"]) == [f"{LEO} 1"]


async def test_a_more_urgent_one_follows(desk: Desk) -> None:
    await accepted(desk, "a1")
    assert await given(desk) == ["a1"]
    await accepted(desk, "a2")
    await desk.accept("urgent", priority=0)
    assert await given(desk, limit=0) == ["urgent"]
    assert await given(desk, limit=0, sent=["a1"]) == ["a2"]


async def test_none_is_given_where_messages_are_paced(redis: Redis, settings: Settings) -> None:
    paced = settings.model_copy(update={"pacing_chat_gap": 1000})
    desk = Desk(redis, OutboundQueue(redis, paced), Leases(redis))
    await desk.take()
    await accepted(desk, "a1", "a2")
    assert await given(desk) == ["a1"]


async def test_g4_it_goes_back_unattempted_when_the_one_before_waits(desk: Desk) -> None:
    await accepted(desk, "a1", "a2")
    await given(desk)
    assert await desk.fail("a1", retry_in=5, behind=["a2"]) == "waiting"
    record = await desk.get("a2")
    assert (record.status, record.attempts, record.uncertain) == ("queued", 0, False)
    assert await given(desk) == []
    desk.now += 5
    assert await given(desk) == ["a1", "a2"]


async def test_it_goes_back_when_the_one_before_is_unclaimed(desk: Desk) -> None:
    await accepted(desk, "a1", "a2")
    await given(desk)
    await desk.unclaim("a1", behind=["a2"])
    assert [(await desk.get(text)).attempts for text in ("a1", "a2")] == [0, 0]
    assert await given(desk) == ["a1", "a2"]


@pytest.mark.parametrize("ending", ["dead", "read", "sent"])
async def test_it_takes_over_when_the_one_before_ends(desk: Desk, ending: str) -> None:
    await accepted(desk, "a1", "a2", "a3")
    await given(desk)
    if ending == "dead":
        assert await desk.fail("a1", permanent=True, behind=["a2"]) == "dead"
    elif ending == "read":
        await desk.receipt("a1", "read")
    else:
        await desk.complete("a1")
    assert await desk.claimed() == []  # it is in hand
    assert await desk.fail("a2", retry_in=1) == "waiting"
    assert (await desk.get("a2")).error == "ack_timeout"


async def test_g3_a_proof_of_it_counts_before_one_of_the_one_before(desk: Desk) -> None:
    await accepted(desk, "a1", "a2", "a3")
    await given(desk)
    await desk.complete("a2")
    assert [await desk.status(text) for text in ("a1", "a2")] == ["sending", "sent"]
    assert await given(desk) == ["a3"]


async def test_its_failure_reported_too_early_is_no_attempt(desk: Desk) -> None:
    await accepted(desk, "a1", "a2")
    await given(desk)
    assert await desk.fail("a2", retry_in=1) == "waiting"
    record = await desk.get("a2")
    assert (record.status, record.attempts, record.error) == ("queued", 0, None)
    assert await desk.status("a1") == "sending"


async def test_g2_both_are_queued_again_for_the_next_owner(desk: Desk) -> None:
    await accepted(desk, "a1", "a2", "a3")
    await given(desk)
    await desk.take()
    for text in ("a1", "a2"):
        record = await desk.get(text)
        assert (record.status, record.uncertain, len(record.crashes)) == ("queued", True, 1)
    assert await desk.drain() == ["a1", "a2", "a3"]


async def test_what_an_owner_crashed_with_follows_nothing_and_is_not_followed(desk: Desk) -> None:
    await accepted(desk, "a1", "a2", "a3")
    await given(desk)
    await desk.take()
    assert await given(desk) == ["a1"]
    assert await given(desk, sent=["a1"]) == ["a2"]
    assert await given(desk, sent=["a2"]) == ["a3"]


async def test_a_lost_answer_is_given_again_and_none_before_what_it_follows(
    desk: Desk, redis: Redis, settings: Settings
) -> None:
    await accepted(desk, "a1", "a2")
    await given(desk)
    other = Desk(redis, OutboundQueue(redis, settings), desk.leases, desk.now, desk.epoch, desk.ids)
    assert await given(other, limit=0) == []
    assert await given(other) == ["a1", "a2"]


async def test_it_cannot_be_cancelled(desk: Desk) -> None:
    await accepted(desk, "a1", "a2")
    await given(desk)
    with pytest.raises(NotCancellable):
        await desk.cancel("a2")


async def test_abandoning_ends_both(desk: Desk) -> None:
    await accepted(desk, "a1", "a2", "a3")
    await given(desk)
    await desk.lanes.abandon(SHOP, "connection_deleted", desk.now)
    for text in ("a1", "a2", "a3"):
        assert await desk.status(text) == "cancelled"
