"""The budget of bytes that a connection's messages have in Redis (G13)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors import redis as scripts
from actors.queue.outbound_queue import MIN_MESSAGE_BYTES, Send
from actors.runtime.limits.limits import LimitReached
from tests.integration.queue.desk import ANA, BEN, SHOP, Desk

if TYPE_CHECKING:
    from actors.config.settings import Settings

LONG = "words " * 2_000
ROOM = 64_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"queue_memory_per_connection": ROOM})


async def taken(desk: Desk) -> int:
    """The bytes that the connection's records count."""
    flow = (await desk.lanes.reader.flows_many([SHOP]))[SHOP]
    return flow.bytes


async def mirrored(desk: Desk) -> None:
    while records := await desk.lanes.reader.changed(SHOP, 100):
        await desk.lanes.reader.mirrored(SHOP, records)


async def fill(desk: Desk) -> list[str]:
    """Accept until no more is; the texts."""
    for number in range(100):
        try:
            await desk.accept(f"{number} {LONG}")
        except LimitReached:
            return [f"{each} {LONG}" for each in range(number)]
    raise AssertionError("it takes all")


async def test_a_full_queue_refuses_sends_and_gives_the_first_answer_again(desk: Desk) -> None:
    first = await desk.lanes.accept(Send(SHOP, ANA, LONG), idempotency_key="k", now=desk.now)
    desk.ids[LONG] = first.record.id
    texts = await fill(desk)
    assert len(texts) > 2
    assert ROOM - 2 * len(LONG) < await taken(desk) <= ROOM
    again = await desk.lanes.accept(Send(SHOP, ANA, LONG), idempotency_key="k", now=desk.now)
    assert again.replayed
    for key in (None, "another"):
        with pytest.raises(LimitReached) as refused:
            await desk.lanes.accept(Send(SHOP, BEN, LONG), idempotency_key=key, now=desk.now)
        assert refused.value.needed > await taken(desk) + len(LONG)
    assert await desk.drain(10) == [LONG, *texts]


async def test_what_was_accepted_before_is_not_refused(desk: Desk) -> None:
    """G2: it was answered 202."""
    await fill(desk)
    send = Send(SHOP, BEN, LONG)
    accepted = await desk.lanes.accept(send, now=desk.now, limited=False)
    assert accepted.record.status == "queued"


async def test_words_count_until_the_state_store_has_them(desk: Desk) -> None:
    """While it is away, sent messages stay within the budget as well."""
    texts = await fill(desk)
    full = await taken(desk)
    await desk.drain(10)
    assert await taken(desk) == full
    with pytest.raises(LimitReached):
        await desk.accept(LONG)
    await mirrored(desk)
    assert 0 < await taken(desk) < 1_000 * len(texts)
    await desk.accept(LONG)


async def test_a_message_that_may_be_sent_again_goes_on_counting(desk: Desk) -> None:
    await desk.accept(LONG, ANA)
    await desk.accept(f"2 {LONG}", BEN)
    await desk.cancel(f"2 {LONG}")
    await desk.claim()
    await desk.fail(LONG, permanent=True)
    await mirrored(desk)
    assert await taken(desk) > 2 * len(LONG)
    await desk.retry(LONG)
    await desk.drain()
    await mirrored(desk)
    assert len(LONG) < await taken(desk) < 2 * len(LONG)


def test_a_send_without_words_counts_as_much_for_the_gateway_as_for_redis() -> None:
    lines = (Path(scripts.__file__).parent / "transitions.lua").read_text().splitlines()
    assert f"local WEIGHT = {MIN_MESSAGE_BYTES}" in lines
