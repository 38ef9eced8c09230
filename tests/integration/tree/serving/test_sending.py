"""Sends of one served connection, over a real Valkey (G2, G3, G4, G11)."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from actors.connection.engine import NotConnected, RequestsLimited, SendError, SendRequest
from actors.messages.content import ChatChange, Delete, Target, Text, encode, text_of
from actors.metrics.mistakes import OWN_MISTAKES
from actors.queue.outbound_queue import Send
from tests.processes.measured import Measured
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey


async def test_what_is_accepted_is_sent_under_its_own_id(served: Served) -> None:
    """G2, G3."""
    early = await served.accept("early")
    await served.begin()
    late = await served.accept("late")
    for record in (early, late):
        done = await served.becomes(record, "sent")
        assert done.attempts == 1
    assert [message.message_id for message in served.engine.sent] == [
        early.message_id,
        late.message_id,
    ]


async def test_many_chats_at_once_and_each_in_order(served: Served) -> None:
    """G4: concurrency over chats, never within one."""
    served.engine.opens = False
    await served.begin(concurrency=4)
    records = [
        await served.accept(f"{number:02}", f"155501000{chat:02}")
        for number in range(6)
        for chat in range(10, 18)
    ]
    served.engine.opens = True
    await served.engine.events.on_open()
    for record in records:
        await served.becomes(record, "sent")
    assert 1 < served.engine.most_in_flight <= 4
    for chat in {message.chat for message in served.engine.sent}:
        texts = [
            text_of(message.content) or "" for message in served.engine.sent if message.chat == chat
        ]
        assert all(early < late for early, late in pairwise(texts))


async def test_a_closed_socket_claims_nothing(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    record = await served.accept()
    await asyncio.sleep(0.3)
    found = await served.lanes.reader.get(record.id)
    assert found is not None
    assert (found.status, found.attempts) == ("queued", 0)
    assert served.engine.asked == 0
    served.engine.opens = True
    await served.engine.events.on_open()
    await served.becomes(record, "sent")


async def test_no_attempt_is_counted_when_the_socket_was_closed_after_all(served: Served) -> None:
    refusals = 0

    async def answer(message: SendRequest) -> float:
        nonlocal refusals
        refusals += 1
        if refusals < 3:
            raise NotConnected
        return time.time()

    served.engine.answer = answer
    await served.begin()
    done = await served.becomes(await served.accept(), "sent")
    assert refusals == 3
    assert done.attempts == 1
    assert not done.uncertain


async def test_no_attempt_is_counted_while_whatsapp_takes_no_requests(served: Served) -> None:
    """However often that is."""

    async def answer(message: SendRequest) -> float:
        if served.engine.asked <= 7:
            raise RequestsLimited(0.01)
        return time.time()

    served.engine.answer = answer
    await served.begin()
    done = await served.becomes(await served.accept(), "sent")
    assert served.engine.asked == 8
    assert (done.attempts, done.uncertain) == (1, False)


async def test_the_whole_account_waits_as_long_as_whatsapp_takes_no_requests(
    served: Served,
) -> None:
    async def answer(message: SendRequest) -> float:
        raise RequestsLimited(3600)

    served.engine.answer = answer
    await served.begin(concurrency=1)
    records = [await served.accept("held back", f"1555010001{chat}") for chat in range(3)]
    await eventually("it is asked", lambda: served.engine.asked, 10)
    await asyncio.sleep(0.5)
    assert served.engine.asked == 1
    for record in records:
        found = await served.lanes.reader.get(record.id)
        assert found is not None
        assert (found.status, found.attempts, found.error) == ("queued", 0, None)


async def test_a_passing_failure_waits_and_a_permanent_one_is_dead(served: Served) -> None:
    async def answer(message: SendRequest) -> float:
        raise SendError("refused", permanent=text_of(message.content) == "never", uncertain=False)

    served.engine.answer = answer
    await served.begin()
    later = await served.becomes(await served.accept("later", "15550100003"), "waiting")
    never = await served.becomes(await served.accept("never", "15550100004"), "dead")
    assert (later.error, never.error) == ("refused", "refused")


async def test_an_engine_that_breaks_loses_nothing(served: Served) -> None:
    """G2: what left is not known, so it is tried again, and said to be uncertain."""

    async def answer(message: SendRequest) -> float:
        if len(served.engine.sent) == 1:
            raise RuntimeError("a bug")
        return time.time()

    served.engine.answer = answer
    served.retry_in = 0.5
    measured = Measured()
    await served.begin()
    record = await served.becomes(await served.accept(), "waiting")
    assert (record.error, record.uncertain) == ("RuntimeError", True)
    assert measured.rise(OWN_MISTAKES, action="send") == 1
    await served.becomes(record, "sent")
    assert [message.message_id for message in served.engine.sent] == [record.message_id] * 2
    assert [message.at for message in served.engine.sent] == [record.accepted_at] * 2


async def test_what_changes_a_message_that_died_dies_with_it(served: Served) -> None:
    """Nobody has what it would take back: it is not sent, and ends visibly (G2)."""

    async def answer(message: SendRequest) -> float:
        raise SendError("refused", permanent=True)

    served.engine.answer = answer
    target = await served.accept("never")
    change = Delete(Target(target.message_id, None))
    delete = Send("shop", target.chat, "", type=Delete.type, content=encode(change))
    taken_back = (await served.lanes.accept(delete)).record
    await served.begin()
    await served.becomes(target, "dead")
    assert (await served.becomes(taken_back, "dead")).error == "target_not_sent"
    assert [message.message_id for message in served.engine.sent] == [target.message_id]


async def test_one_that_follows_and_fails_at_once_has_failed(served: Served) -> None:
    """G3: it left before Redis knew of the one before it, and may have arrived all the same."""

    async def answer(message: SendRequest) -> float:
        if text_of(message.content) == "one":
            await asyncio.sleep(0.2)  # until the other is in hand
            return time.time()
        raise SendError("ack_timeout", uncertain=True)

    served.engine.answer = answer
    one, two = await served.accept("one"), await served.accept("two")
    await served.begin()
    await served.becomes(one, "sent")
    failed = await served.becomes(two, "waiting")
    assert (failed.attempts, failed.error, failed.uncertain) == (1, "ack_timeout", True)
    assert [text_of(message.content) for message in served.engine.sent] == ["one", "two"]


async def test_an_outcome_is_reported_once_redis_is_back(
    served_apart: Served, own_server: Valkey
) -> None:
    """G11: sent while Redis dies; nothing is sent twice, and the rest follows within seconds."""
    served = served_apart
    gate = asyncio.Event()

    async def answer(message: SendRequest) -> float:
        await gate.wait()
        return time.time()

    served.engine.answer = answer
    await served.begin()
    record, behind = await served.accept("one"), await served.accept("two")
    await eventually("it is under way", lambda: served.engine.in_flight == 1, 10)
    own_server.kill()
    gate.set()
    await asyncio.sleep(0.5)
    assert served.serving.in_flight >= 1  # two where the other was in hand to follow
    own_server.start()
    await served.becomes(record, "sent")
    await served.becomes(behind, "sent")
    assert [text_of(message.content) for message in served.engine.sent] == ["one", "two"]


async def test_a_change_of_a_chat_keeps_its_place_and_is_tried_again(served: Served) -> None:
    """G2, G4: the engine is handed the settings and the time at which they were asked for."""
    first = await served.accept("before")
    change = ChatChange(archived=True, muted=True)
    accepted = (await served.lanes.accept(Send.of("shop", first.chat, change))).record
    last = await served.accept("after")
    handed = list[SendRequest]()
    acknowledge = served.engine.answer

    async def answer(outgoing: SendRequest) -> float:
        handed.append(outgoing)
        if isinstance(outgoing.content, ChatChange) and len(handed) == 2:
            raise SendError("ack_timeout", uncertain=True)
        return await acknowledge(outgoing)

    served.engine.answer, served.retry_in = answer, 0.1
    await served.begin()
    await served.becomes(last, "sent")
    done = await served.becomes(accepted, "sent")
    assert done.attempts == 2
    assert served.engine.changed == [(first.chat, change)]
    assert [each.content for each in handed] == [Text("before"), change, change, Text("after")]
    assert {each.at for each in handed[1:3]} == {accepted.accepted_at}


async def test_a_change_that_the_engine_cannot_make_is_a_dead_letter(served: Served) -> None:
    """A connection whose engine was another one when the message was accepted."""

    async def unable(_: SendRequest) -> float:
        raise SendError("not_on_whatsapp", permanent=True)

    served.engine.answer = unable
    send = Send.of("shop", "15550100002@s.whatsapp.net", ChatChange(pinned=True))
    record = (await served.lanes.accept(send)).record
    await served.begin()
    dead = await served.becomes(record, "dead")
    assert (dead.error, dead.attempts) == ("not_on_whatsapp", 1)
