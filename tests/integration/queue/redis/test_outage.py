"""The server dies, freezes and comes back, while the same clients go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.queue.outbound_queue import RedisAway, Send
from actors.queue.records import api_id, mint
from actors.redis.change_notifications import pokes
from actors.redis.client import connect, durability
from actors.redis.leases.leases import Owner
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk, open_desk
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    async with open_desk(own_server) as desk:
        yield desk
        await desk.check()


async def test_g1_g2_all_that_was_acknowledged_survives_kill_9(
    desk: Desk, own_server: Valkey
) -> None:
    acknowledged: list[str] = []
    asked = 0
    underway = asyncio.Event()
    killed = asyncio.Event()

    async def send(chat: str) -> None:
        nonlocal asked
        for number in range(10_000):
            asked += 1
            text = f"{chat} {number:05}"
            try:
                accepted = await desk.lanes.accept(Send(SHOP, chat, text))
            except RedisAway:
                assert killed.is_set()
                return
            assert accepted.record.status == "queued"
            acknowledged.append(text)
            if len(acknowledged) == 300:
                underway.set()

    senders = [asyncio.ensure_future(send(chat)) for chat in (ANA, BEN, EVA, LEO)]
    await asyncio.wait_for(underway.wait(), 30)
    pid = own_server.pid
    in_flight = asked - len(acknowledged)
    killed.set()
    own_server.kill()
    await asyncio.gather(*senders)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert in_flight > 0
    print(f"{len(acknowledged)} acknowledged, {in_flight} in flight at the kill")

    own_server.start()
    sent = await desk.drain(limit=10)
    assert not set(acknowledged) - set(sent)
    assert len(sent) == len(set(sent))
    for chat in (ANA, BEN, EVA, LEO):
        mine = [text for text in sent if text.startswith(chat)]
        assert mine == sorted(mine)  # G4


async def test_g11_a_dead_server_is_noticed_soon_and_a_restarted_one_just_serves(
    desk: Desk, own_server: Valkey
) -> None:
    await desk.accept("before")
    own_server.kill()
    begun = time.monotonic()
    with pytest.raises(RedisAway):
        await desk.accept("lost")
    with pytest.raises(RedisAway):
        await desk.leases.renew(SHOP, desk.epoch)
    with pytest.raises(RedisAway):
        await desk.counts()
    assert time.monotonic() - begun < 10
    own_server.start()
    await desk.accept("after")
    assert await desk.leases.renew(SHOP, desk.epoch)
    assert await desk.drain() == ["before", "after"]


async def test_g3_an_outcome_that_redis_did_not_get_is_reported_before_the_next_claim(
    desk: Desk, own_server: Valkey
) -> None:
    for text, chat in (("a1", ANA), ("b", BEN), ("e", EVA), ("a2", ANA)):
        await desk.accept(text, chat)
    assert await desk.claimed() == ["a1", "b", "e"]
    own_server.kill()
    for outcome in (desk.complete("a1"), desk.fail("b", retry_in=0.0), desk.unclaim("e")):
        with pytest.raises(RedisAway):
            await outcome
    own_server.start()
    assert await desk.claimed() == ["a2", "b", "e"]
    assert await desk.status("a1") == "sent"
    assert [(await desk.get(text)).attempts for text in ("b", "e")] == [2, 1]


async def test_an_outcome_that_was_reported_twice_counts_once(
    desk: Desk, own_server: Valkey
) -> None:
    """The caller repeats an outcome that it could not report; the port had stored it as well."""
    await desk.accept("a")
    await desk.claim()
    own_server.kill()
    with pytest.raises(RedisAway):
        await desk.fail("a", retry_in=0.0)
    own_server.start()
    assert await desk.fail("a", retry_in=0.0) == "waiting"
    (job,) = await desk.claim()
    assert job.attempts == 2
    assert await desk.claimed() == []


async def test_g11_a_wait_ends_at_the_death_and_heals(desk: Desk, own_server: Valkey) -> None:
    await desk.lanes.claims.wait(SHOP, 1)
    waiting = asyncio.ensure_future(desk.lanes.claims.wait(SHOP, 60))
    heard = pokes(connect(own_server.settings(), blocking=True))
    await anext(heard)
    listening = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.1)
    own_server.kill()
    for task in (waiting, listening):
        with pytest.raises(RedisAway):
            await asyncio.wait_for(task, 10)
    own_server.start()
    waiting = asyncio.ensure_future(desk.lanes.claims.wait(SHOP, 60))
    await asyncio.sleep(0.1)
    await desk.accept("a")
    await asyncio.wait_for(waiting, 5)


async def test_g1_an_acceptance_that_timed_out_and_was_applied_is_not_done_twice(
    desk: Desk, own_server: Valkey
) -> None:
    await desk.accept("loads the script", BEN)
    send, message_id = Send(SHOP, ANA, "once"), mint()
    os.kill(own_server.pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        with pytest.raises(RedisAway):
            await desk.lanes.accept(send, idempotency_key="k", message_id=message_id, now=1.0)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert time.monotonic() - begun < 20
    applied = api_id(SHOP, message_id)
    async with asyncio.timeout(5):
        while await desk.lanes.reader.get(applied) is None:  # noqa: ASYNC110 - the server does it alone
            await asyncio.sleep(0.01)
    again = await desk.lanes.accept(send, idempotency_key="k", now=2.0)
    assert again.replayed
    assert again.record.accepted_at == 1.0
    assert await desk.drain() == ["loads the script", "once"]


async def test_g5_an_emptied_server_gives_no_epoch_twice(desk: Desk, own_server: Valkey) -> None:
    await desk.take()
    epoch = await desk.take()
    await desk.redis.flushall()
    lease = await desk.leases.take(SHOP, Owner("connection:3", 3, "node"), session_epoch=epoch)
    assert lease.epoch == epoch + 1
    desk.epoch = lease.epoch


async def test_g1_a_server_that_syncs_each_second_is_known_for_it(
    own_server: Valkey, tmp_path: Path
) -> None:
    with Valkey(tmp_path / "lax", appendfsync="everysec") as lax:
        for server, holds in ((own_server, True), (lax, False)):
            redis = connect(server.settings())
            found = await durability(redis)
            await redis.aclose()
            assert found.holds is holds
    assert found.reason == "Redis: appendfsync is everysec, not always."


async def test_g1_a_server_that_does_not_tell_is_not_trusted(own_server: Valkey) -> None:
    redis = connect(own_server.settings())
    await redis.acl_setuser("default", commands=["-config"])
    found = await durability(redis)
    await redis.aclose()
    assert not found.holds
    assert found.reason is not None
    assert "not known" in found.reason
