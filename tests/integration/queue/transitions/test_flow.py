"""Counters of the scripts: each message once, with each of its ends, and however often they run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import actors.queue.scripts
from actors.queue.records import TOOK, flow_of
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk
from tests.integration.queue.redis.cluster import SEVERAL_CONNECTIONS

if TYPE_CHECKING:
    from actors.queue.records import Flow


async def flow(desk: Desk) -> Flow:
    return (await desk.lanes.reader.flows_many([SHOP]))[SHOP]


def counted(flow: Flow) -> dict[str, int]:
    return {name: number for name, number in flow.counts.items() if number}


@SEVERAL_CONNECTIONS
async def test_each_way_of_a_message_is_counted(desk: Desk) -> None:
    assert await flow(desk) == flow_of({}, 0)
    await desk.take()
    for text, chat in (("sent", ANA), ("dead", BEN), ("again", EVA), ("cancelled", LEO)):
        await desk.accept(text, chat)
    await desk.cancel("cancelled")
    await desk.cancel("cancelled")
    await desk.claim()
    desk.now += 0.2
    await desk.complete("sent")
    await desk.complete("sent")
    await desk.receipt("sent", "read")
    await desk.receipt("sent", "delivered")
    await desk.fail("dead", permanent=True)
    await desk.fail("again", retry_in=5)
    expected = {
        "queued": 4,
        "sent": 1,
        "delivered": 1,
        "read": 1,
        "dead": 1,
        "retries": 1,
        "cancelled": 1,
    }
    seen = await flow(desk)
    assert counted(seen) == expected
    assert (seen.open, seen.unaccounted) == (1, 0)
    assert sum(seen.took) == 1
    assert seen.took[TOOK.index(0.25)] == 1
    assert seen.took_seconds == 0.2

    await desk.retry("dead")
    await desk.claim()
    desk.now += 100
    await desk.complete("dead")
    await desk.claim()
    await desk.take()
    expected |= {"redriven": 1, "sent": 2, "cut_off": 1}
    seen = await flow(desk)
    assert counted(seen) == expected
    assert seen.unaccounted == 0
    assert seen.took[TOOK.index(300.0)] == 1, "counted from when it was sent again"


async def test_what_was_given_up_and_arrived_all_the_same_is_counted_once(desk: Desk) -> None:
    await desk.take()
    await desk.accept("late")
    await desk.claim()
    await desk.fail("late", permanent=True, uncertain=True)
    await desk.receipt("late")
    seen = await flow(desk)
    assert counted(seen) == {"queued": 1, "sent": 1, "delivered": 1, "dead": 1, "revived": 1}
    assert seen.unaccounted == 0


async def test_a_message_that_waits_for_its_time_is_not_late(desk: Desk) -> None:
    await desk.take()
    await desk.accept("later", send_at=desk.now + 60)
    desk.now += 60.2
    await desk.claim()
    await desk.complete("later")
    seen = await flow(desk)
    assert seen.took[TOOK.index(0.25)] == 1


async def test_what_a_limit_held_counts_from_its_end(desk: Desk) -> None:
    """Messages behind it as well; a backoff counts, and so does a message that was accepted since."""
    began = desk.now
    await desk.take()
    for text in ("held", "behind"):
        await desk.accept(text)
    await desk.claim()
    await desk.defer("held", began + 3600)
    desk.now = began + 3600.2
    for text in ("held", "behind"):
        await desk.claim()
        await desk.complete(text)
    assert (await flow(desk)).took[TOOK.index(0.25)] == 2
    desk.now += 60
    await desk.accept("slow")
    await desk.claim()
    await desk.fail("slow", retry_in=40)
    desk.now += 40
    await desk.claim()
    await desk.complete("slow")
    assert (await flow(desk)).took[TOOK.index(60.0)] == 1


async def test_what_was_proved_while_a_limit_held_it_took_no_time(desk: Desk) -> None:
    await desk.take()
    await desk.accept("held")
    await desk.claim()
    await desk.defer("held", desk.now + 3600)
    desk.now += 1
    await desk.receipt("held")
    seen = await flow(desk)
    assert (seen.took[0], seen.took_seconds) == (1, 0.0)


async def test_a_message_that_disappears_is_seen(desk: Desk) -> None:
    """The series that promises G2 must be able to say that it is broken."""
    record = await desk.accept("gone")
    open_ = keys.of(SHOP).open
    await desk.redis.zrem(open_, record.message_id)
    assert (await flow(desk)).unaccounted == 1
    await desk.redis.zadd(open_, {record.message_id: desk.now})


def test_script_and_reader_have_the_same_bounds() -> None:
    text = Path(actors.queue.scripts.__path__[0], "proofs.lua").read_text()
    found = re.search(r"local TOOK = \{(.*?)\}", text)
    assert found is not None
    assert tuple(map(float, found[1].split(","))) == TOOK
