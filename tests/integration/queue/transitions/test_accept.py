from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from actors.messages.content import Quote, Target, Text, encode
from actors.queue.outbound_queue import IdempotencyConflict, Send
from actors.queue.records import api_id, mint
from actors.queue.transitions import KEEPING
from actors.redis import keys
from actors.redis.pipeline import RedisPipeline
from actors.runtime.host_identity import Uptime
from tests.integration.queue.desk import ANA, BEN, SHOP, Desk
from tests.integration.queue.redis.cluster import SEVERAL_CONNECTIONS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.queue.outbound_queue import OutboundQueue

REPLY = encode(Text("hello", Quote(Target("3EB0", None))))
HELLO = Send(SHOP, ANA, "hello", content=REPLY, priority=2)
DAY = 24 * 3600
_COUNTED = ("evalsha", "hget", "hincrby")


async def test_g1_what_is_accepted_is_there_as_it_was_answered(desk: Desk) -> None:
    record = (await desk.lanes.accept(HELLO, now=5.0)).record
    assert await desk.lanes.reader.get(record.id) == record
    assert (record.status, record.chat, record.text) == ("queued", ANA, "hello")
    assert (record.content, record.priority, record.accepted_at) == (REPLY, 2, 5.0)
    assert record.times == {"queued": 5.0}


async def test_a_script_that_ends_in_an_error_gives_no_number_twice(
    desk: Desk, redis: Redis
) -> None:
    """It has written one message, and stumbles over the receipt of the next, that has no time."""
    written = (await desk.accept("a")).message_id
    unwritten = (await desk.accept("b")).message_id
    unfinished = ("receipts", 9.0, written, "sent", "9.0", unwritten, "delivered")
    with pytest.raises(ResponseError):
        await KEEPING.run(RedisPipeline(redis), keys.of(SHOP), *unfinished)
    record = await desk.lanes.reader.get(api_id(SHOP, written))
    assert record is not None
    assert record.status == "sent"
    assert (await desk.lanes.accept(HELLO)).record.revision > record.revision


async def test_each_number_of_an_acceptance_is_one_command(desk: Desk, redis: Redis) -> None:
    """Its order, its chat's turn, its count, and its bytes."""
    await desk.accept("a")
    before = await _counted(redis)
    await desk.accept("b", BEN)
    after = await _counted(redis)
    scripts = after["evalsha"] - before["evalsha"]
    assert scripts in {1, 2}  # the second is one that runs twice
    assert after["hget"] == before["hget"] + 1  # the chat's name today
    assert after["hincrby"] - before["hincrby"] == 4


async def _counted(redis: Redis) -> dict[str, int]:
    stats: Any = await redis.info("commandstats")
    return {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in _COUNTED}


async def test_any_text_is_kept_as_it_is(desk: Desk) -> None:
    texts = ["", " ", "a\0b", "Ω🙂\r\n", "x" * 100_000, "nil", "-1"]
    for text in texts:
        await desk.accept(text)
    assert await desk.drain() == texts


async def test_the_same_key_and_body_give_the_first_answer(desk: Desk) -> None:
    first = await desk.lanes.accept(HELLO, idempotency_key="k", now=5.0)
    await desk.drain()
    again = await desk.lanes.accept(HELLO, idempotency_key="k", now=9.0)
    assert again.replayed
    assert again.record.id == first.record.id
    assert again.record.status == "sent"
    assert await desk.drain() == []


async def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    await desk.lanes.accept(HELLO, idempotency_key="k", now=5.0)
    with pytest.raises(IdempotencyConflict):
        await desk.lanes.accept(replace(HELLO, text="bye"), idempotency_key="k", now=6.0)
    assert await desk.drain() == ["hello"]


async def test_another_key_is_another_message(desk: Desk) -> None:
    first = await desk.lanes.accept(HELLO, idempotency_key="k", now=5.0)
    second = await desk.lanes.accept(HELLO, idempotency_key="l", now=5.0)
    assert first.record.id != second.record.id
    assert await desk.drain() == ["hello", "hello"]


async def test_a_key_names_its_message_until_a_day_of_uptime_after_its_end(
    desk: Desk, redis: Redis
) -> None:
    """No clock shortens it: neither Redis nor a caller counts by one."""
    first = await desk.lanes.accept(HELLO, idempotency_key="k", now=5.0)
    await desk.pass_day()
    assert await desk.drain() == ["hello"]
    await desk.lanes.promote(SHOP, 5.0, Uptime("boot", 100.0))
    await desk.lanes.reader.mirrored(SHOP, await desk.lanes.reader.changed(SHOP, 10))
    key = keys.of(SHOP).idempotency("k")
    for boot, seconds in (("boot", 99.9 + DAY), ("later", 3 * DAY), ("boot", 9 * DAY)):
        await desk.lanes.promote(SHOP, 5.0 + 365 * DAY, Uptime(boot, seconds))
        again = await desk.lanes.accept(HELLO, idempotency_key="k", now=5.0 + 365 * DAY)
        assert (again.replayed, again.record.id) == (True, first.record.id)
        assert await redis.ttl(key) == -1, "Redis would forget it by its own clock"
    await desk.lanes.promote(SHOP, 6.0, Uptime("boot", 9 * DAY + 1))
    assert not await redis.exists(key)
    assert await desk.lanes.reader.first(HELLO, "k") is None
    second = await desk.lanes.accept(HELLO, idempotency_key="k", now=6.0)
    third = await desk.lanes.accept(HELLO, idempotency_key="k", now=7.0)
    assert second.record.id != first.record.id
    assert (third.replayed, third.record.id) == (True, second.record.id)


async def test_a_key_that_the_release_before_kept_still_counts(desk: Desk, redis: Redis) -> None:
    first = await desk.lanes.accept(HELLO, now=5.0)
    name = keys.of(SHOP).idempotency("k")
    await redis.set(name, f"{first.record.message_id} {HELLO.fingerprint}", px=60_000)
    again = await desk.lanes.accept(HELLO, idempotency_key="k", now=6.0)
    assert (again.replayed, again.record.id) == (True, first.record.id)


async def test_acceptance_with_an_id_may_be_repeated_at_any_time(desk: Desk) -> None:
    message_id = mint()
    await desk.lanes.accept(HELLO, message_id=message_id, now=5.0)
    assert await desk.drain() == ["hello"]
    again = await desk.lanes.accept(HELLO, message_id=message_id, now=9.0)
    assert not again.replayed, "it is the caller's own"
    assert again.record.status == "sent"
    assert await desk.drain() == []


async def test_g4_messages_to_a_chat_leave_in_order_within_a_priority(desk: Desk) -> None:
    for number in range(30):
        await desk.accept(f"{number % 3}-{number:02}", priority=number % 3)
    texts = await desk.drain()
    assert texts == sorted(texts)


async def test_the_default_priority_is_in_the_middle(desk: Desk) -> None:
    await desk.accept("late", priority=6)
    await desk.accept("default")
    await desk.accept("early", priority=4)
    assert await desk.drain() == ["early", "default", "late"]


async def test_a_more_urgent_message_brings_its_chat_forward(desk: Desk) -> None:
    await desk.accept("b5", BEN)
    await desk.accept("a5", ANA)
    await desk.accept("a1", ANA, priority=1)
    assert await desk.drain() == ["a1", "b5", "a5"]


async def test_a_late_priority_is_not_starved_by_other_chats(desk: Desk) -> None:
    """A level is worth a thousand turns: after nine thousand, 9 comes before a new 0."""
    await desk.accept("late", ANA, priority=9)
    await desk.redis.hincrby(keys.of(SHOP).counters, "turn", 9_000)
    await desk.accept("urgent", BEN, priority=0)
    assert await desk.drain() == ["late", "urgent"]


async def test_a_send_at_holds_only_its_message_back(desk: Desk) -> None:
    record = await desk.accept("later", send_at=desk.now + 60)
    now = await desk.accept("now")
    assert (record.status, record.send_at) == ("waiting", desk.now + 60)
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
    assert [(job.text, job.timestamp) for job in claim.jobs] == [("now", now.accepted_at)]
    assert claim.next_due == desk.now + 60
    await desk.complete("now")
    desk.now += 60.5
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 10, desk.now)
    assert [(job.text, job.timestamp) for job in claim.jobs] == [("later", record.send_at)]


async def test_a_send_at_takes_its_place_when_it_is_due(desk: Desk) -> None:
    await desk.accept("second", send_at=desk.now + 20)
    await desk.accept("first", send_at=desk.now + 10)
    await desk.accept("first too", send_at=desk.now + 10)
    await desk.accept("zeroth")
    desk.now += 30
    await desk.accept("third")  # was accepted after all of them were due
    assert await desk.drain() == ["zeroth", "first", "first too", "second", "third"]


async def test_equal_times_are_due_in_the_order_of_acceptance(desk: Desk) -> None:
    texts = [f"{number:02}" for number in range(20)]
    for text in texts:
        await desk.accept(text, send_at=desk.now + 10)
    desk.now += 10
    assert await desk.drain() == texts


async def test_a_send_at_that_has_passed_is_now(desk: Desk) -> None:
    record = await desk.accept("now", send_at=desk.now - 1)
    assert record.status == "queued"
    assert (await desk.get("now")).send_at == desk.now - 1


async def test_more_may_be_due_than_one_claim_readies(desk: Desk) -> None:
    for number in range(150):
        await desk.accept(f"{number:03}", f"{number}@s.whatsapp.net", send_at=desk.now + 10)
    desk.now += 10
    claim = await desk.lanes.claims.claim(SHOP, desk.epoch, 0, desk.now)
    assert claim.next_due is None or claim.next_due <= desk.now
    assert len(await desk.drain()) == 150


@SEVERAL_CONNECTIONS
async def test_two_connections_do_not_meet(desk: Desk, lanes: OutboundQueue) -> None:
    await desk.accept("hello")
    await lanes.accept(Send("other", ANA, "hello"), now=desk.now)
    assert (await desk.counts()).waiting == 1
    assert await desk.drain() == ["hello"]
    assert (await lanes.reader.counts_many(["other"]))["other"].waiting == 1
