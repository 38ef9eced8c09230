"""Owners that are processes and die by SIGKILL: by a message that they send, or by anyone."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from actors.messages.content import ChatChange, pack
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from tests.integration.queue.desk import SHOP, Desk
from tests.processes import forked
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.processes.valkey import Valkey

SECONDS = 30.0
ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("sending_child.py")
CHATS = [f"1555030{number:04}@s.whatsapp.net" for number in range(6)]


@contextmanager
def owner(data: Path) -> Iterator[forked.Popen]:
    process = forked.Popen(
        [sys.executable, str(CHILD), str(data)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def died(process: forked.Popen) -> None:
    await eventually("it is dead", lambda: process.poll() is not None, SECONDS)
    assert process.returncode == -9


async def becomes(desk: Desk, texts: list[str], statuses: set[str]) -> None:
    for text in texts:

        async def look(text: str = text) -> bool:
            return await desk.status(text) in statuses

        await eventually(f"{text} is one of {statuses}", look, SECONDS)


def attempts(data: Path) -> Counter[str]:
    return Counter((data / "attempts").read_text().split("\n")[:-1])


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    """Afterwards its keys must agree."""
    redis = connect(own_server.settings())
    lanes = OutboundQueue(redis, own_server.settings())
    desk = Desk(redis, lanes, Leases(redis))
    yield desk
    await desk.check()
    await lanes.close()
    await redis.aclose()


async def test_g2_two_messages_that_kill_are_found_out_and_no_other_dies(
    own_server: Valkey, desk: Desk
) -> None:
    own_server.settings(queue_concurrency=6).save()
    data = own_server.directory
    texts = ["0", "kill 1", "2", "kill 3", "4", "5"]
    for text, chat in zip(texts, CHATS, strict=True):
        await desk.accept(text, chat)
        await desk.accept(f"behind {text}", chat)
    bad = [text for text in texts if text.startswith("kill")]
    good = [text for text in desk.ids if text not in bad]

    deaths = 0
    while {await desk.status(text) for text in bad} != {"dead"}:
        with owner(data) as process:
            if deaths == 3:
                # The last is known by its second crash, which nobody took over yet.
                await becomes(desk, bad, {"dead"})
                await becomes(desk, good, {"sent"})
                break
            await died(process)
            deaths += 1
            lease = await desk.leases.read(SHOP)
            assert lease is not None
            # As the root does, which sees it.
            await desk.leases.mark(SHOP, lease.epoch, state="reconnecting", cause="crashed")
    assert deaths == 3  # one with both in flight, then one for each
    made = attempts(data)
    assert {text: made[text] for text in bad} == {"kill 1": 2, "kill 3": 2}
    for text in good:
        assert (await desk.get(text)).error is None
    for text in bad:
        record = await desk.get(text)
        assert (record.error, record.uncertain) == ("poison", True)
        first, second = record.crashes
        assert first.epoch < second.epoch
        assert first.sending_at <= first.noticed_at <= second.sending_at <= second.noticed_at
    assert (await desk.counts()).dead == 2


async def test_a_change_of_a_chat_is_made_again_where_its_owner_died_in_the_middle(
    own_server: Valkey, desk: Desk
) -> None:
    """G2, G4: with the same settings and time, and before what was accepted behind it."""
    own_server.settings().save()
    data, change = own_server.directory, ChatChange(archived=True, muted=True, muted_until=2e9)
    (data / "deadly").touch()
    accepted = (await desk.lanes.accept(Send.of(SHOP, CHATS[0], change))).record
    await desk.accept("behind", CHATS[0])
    with owner(data) as process:
        await died(process)
    in_flight = await desk.lanes.reader.get(accepted.id)
    assert in_flight is not None
    assert in_flight.status == "sending"
    (data / "deadly").unlink()
    with owner(data):
        await becomes(desk, ["behind"], {"sent"})
    done = await desk.lanes.reader.get(accepted.id)
    assert done is not None
    assert (done.status, done.attempts, done.error) == ("sent", 2, None)
    lines = (data / "attempts").read_text().splitlines()
    assert lines == [f"{CHATS[0]} {pack(change)} {accepted.accepted_at}"] * 2 + ["behind"]


async def test_the_pace_is_kept_across_owners_that_are_killed(
    own_server: Valkey, desk: Desk
) -> None:
    own_server.settings(pacing_messages_per_minute=60, pacing_chat_gap=3000).save()
    data = own_server.directory
    texts = ["0", "1", "2", "3"]
    for text in texts:
        await desk.accept(text, CHATS[int(text) % 3])
    for text in texts:
        with owner(data) as process:
            await becomes(desk, [text], {"sent"})
            process.kill()
            await died(process)
    assert set(attempts(data)) == set(texts)  # one may die in the middle of the next
    began = [(await desk.get(text)).times["sending"] for text in texts]
    assert min(later - before for before, later in pairwise(began)) >= 1
    assert began[3] - began[0] >= 3
    async with asyncio.timeout(SECONDS):
        while await desk.redis.exists(keys.of(SHOP).gaps):
            await desk.lanes.promote(SHOP)
            await asyncio.sleep(0.1)


async def test_what_a_limit_holds_back_waits_and_leaves_once_though_its_owners_are_killed(
    own_server: Valkey, desk: Desk
) -> None:
    """G3, G4: killed while they defer, and while they lift; no attempt counts but one that was made."""
    own_server.settings(queue_concurrency=6).save()
    data, limited = own_server.directory, own_server.directory / "limited"
    limited.write_text(f"{time.time() + 3600}")
    chats = [f"1555040{number:04}@s.whatsapp.net" for number in range(200)]
    for number in (0, 1):
        for chat in chats:
            await desk.accept(f"wait {chat} {number}", chat)
    heads = [f"wait {chat} 0" for chat in chats]

    async def waiting() -> int:
        records = await desk.records()
        return sum(records[text].status == "waiting" for text in heads)

    struck = 0
    for share in (10, 50, 90):
        with owner(data) as process:

            async def enough(share: int = share) -> bool:
                return await waiting() >= share

            await eventually(f"{share} wait", enough, SECONDS)
            process.kill()
            await died(process)
        struck += (await desk.counts()).active
    assert struck > 0, "no kill met a message that was being deferred"
    with owner(data):

        async def all_wait() -> bool:
            return await waiting() == len(heads)

        await eventually("all wait", all_wait, SECONDS)
    assert not (data / "attempts").exists(), "something left"

    limited.unlink()
    with owner(data) as process:
        async with asyncio.timeout(
            SECONDS
        ):  # looked at without a pause: a share is lifted in no time
            while await desk.redis.zcard(keys.of(SHOP).held) == len(heads):
                pass
        process.kill()
        await died(process)
    assert await waiting() > 0, "nothing was left to lift"
    with owner(data):
        await becomes(desk, list(desk.ids), {"sent"})
    records = await desk.records()
    for text, record in records.items():
        assert record.attempts - len(record.crashes) == 1, text
    made = (data / "attempts").read_text().split("\n")[:-1]
    for chat in chats:
        first = [made.index(f"wait {chat} {number}") for number in (0, 1)]
        assert first == sorted(first)
