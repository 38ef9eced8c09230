"""A connection whose account was just linked, against a real Valkey: it is paced by itself (G2, G4)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import InboxMessage
from actors.connection.limits.account_limits import NONE, Limits, wait
from actors.connection.limits.ack_errors import SendDeferred
from actors.messages.content import text_of
from actors.redis import keys
from actors.runtime.limits.account_pace import next_day
from actors.runtime.limits.durations import DAY
from tests.integration.tree.scripted import ScriptedEngine
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.engine import SendRequest
    from actors.queue.outbound_queue import Record
    from tests.integration.tree.conftest import Served

FRIEND = "15550100002"


def texts(served: Served) -> list[str | None]:
    return [text_of(each.content) for each in served.engine.sent]


async def end_pause(served: Served) -> None:
    """Let the pause between two messages be over, as if its seconds had passed."""
    key = keys.of("shop")
    await served.redis.hdel(key.counters, "paced")
    await served.redis.lpush(key.wake, "1")


async def leave(served: Served, records: Sequence[Record]) -> None:
    """Wait until these were sent, without a pause."""

    async def are_sent() -> bool:
        await end_pause(served)
        found = [await served.lanes.reader.get(record.id) for record in records]
        return all(one is not None and (one.status, one.attempts) == ("sent", 1) for one in found)

    await eventually("they are sent", are_sent, 20)


async def test_a_new_account_sends_one_and_the_rest_later_in_order(served: Served) -> None:
    """Under the next owner, too: what was spent is in Redis."""
    served.engine.linked_at = time.time() - DAY
    await served.begin()
    records = [await served.accept(f"{number}", FRIEND) for number in range(3)]
    await served.becomes(records[0], "sent")
    assert texts(served) == ["0"]
    lease = await served.state("open")
    assert lease.linked_at == served.engine.linked_at
    await served.serving.stop()
    served.engine = ScriptedEngine()
    served.engine.linked_at = lease.linked_at
    await served.begin()
    await served.state("open")
    assert (await served.becomes(records[1], "queued")).attempts == 0
    await leave(served, records[1:])
    assert texts(served) == ["1", "2"]


@pytest.mark.parametrize("linked_at", [None, 0.0, 28.5])
async def test_an_older_account_sends_as_fast_as_it_can(
    served: Served, linked_at: float | None
) -> None:
    served.engine.linked_at = time.time() - linked_at * DAY if linked_at else linked_at
    await served.begin()
    records = [await served.accept(f"{number}", FRIEND) for number in range(8)]
    await served.becomes(records[-1], "sent")
    assert texts(served) == [f"{number}" for number in range(8)]


async def test_chats_beyond_those_of_a_day_wait_and_people_who_write_are_answered(
    served: Served,
) -> None:
    """The engine counts; it is asked here as the engines of WhatsApp ask the owner."""
    served.engine.linked_at = time.time()
    await served.begin()
    begun: set[str] = set()

    async def answer(message: SendRequest) -> float:
        person = message.chat.partition("@")[0]
        most = served.engine.events.new_chats()
        full = len(begun) >= most > 0
        limits = Limits(paced_until=next_day(time.time())) if full else NONE
        if held := wait(limits, time.time(), answers=person == FRIEND, begun=person in begun):
            await served.engine.events.on_limits(limits)
            raise SendDeferred(*held)
        if person != FRIEND:
            begun.add(person)
        return time.time()

    served.engine.answer = answer
    assert served.engine.events.new_chats() == 3
    people = [f"155501001{number:02d}" for number in range(5)]
    records = [await served.accept("hello", person) for person in people]
    await leave(served, records[:3])
    await end_pause(served)
    for record in records[3:]:
        waiting = await served.becomes(record, "waiting")
        assert (waiting.error, waiting.attempts) == ("new_chats_paced", 0)
        assert waiting.retry_at == next_day(time.time())
    # A deferred message spent no pause: the answer leaves at once.
    await served.becomes(await served.accept("a reply", FRIEND), "sent")
    lease = await served.state("open")
    assert lease.limited_until is None, "it is no limit of WhatsApp's"
    # A person who writes is answered, also by the message that waited; one to whom the phone writes gets it, too.
    for number, sender in ((3, people[3]), (4, "15550100001")):
        begun.add(people[number])
        chat = f"{people[number]}@s.whatsapp.net"
        served.engine.inbox[number] = InboxMessage(
            number,
            chat,
            f"{sender}@s.whatsapp.net",
            f"M{number}",
            1,
            "text",
            "hi",
            from_me=number == 4,
        )
    await served.engine.events.on_inbox()
    await leave(served, records[3:])
