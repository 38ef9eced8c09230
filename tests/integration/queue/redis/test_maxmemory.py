"""The queue on a Redis that has no memory left (G13): nothing new enters, all that is there moves on and leaves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import RedisAway, Send
from actors.redis import keys
from actors.redis.leases.leader_election import Leadership
from actors.redis.leases.leases import Owner
from supervision.root_generation import RootGeneration
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, LID, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from actors.redis.leases.leases import Leases

OWNER = Owner("connection:2", 8, "node")


@asynccontextmanager
async def full(redis: Redis) -> AsyncIterator[None]:
    """No command that Redis takes for one that needs memory is run inside."""
    await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await redis.config_set("maxmemory", 0)


async def test_messages_that_are_there_come_to_their_ends(desk: Desk, redis: Redis) -> None:
    for text, chat in (("a", ANA), ("b", BEN), ("c", EVA), ("d", LEO), ("d2", LEO)):
        await desk.accept(text, chat)
    async with full(redis):
        assert await desk.claimed() == ["a", "b", "c"]
        await desk.complete("a")
        await desk.receipt("a", "read")
        assert await desk.fail("b", retry_in=5) == "waiting"
        assert await desk.fail("c", permanent=True) == "dead"
        assert (await desk.cancel("d2")).status == "cancelled"
        desk.now += 6
        await desk.lanes.promote(SHOP, desk.now)
        assert await desk.claimed() == ["b", "d"]
        await desk.unclaim("b")
        await desk.defer("d", until=desk.now + 60)
        await desk.lift(desk.now)
        assert await desk.claimed() == ["b", "d"]
        assert [job.text for job in await desk.claim(sent=["b", "d"])] == []
        assert (await desk.retry("c")).status == "queued"
        assert await desk.claimed() == ["c"]
        assert await desk.fail("c", permanent=True) == "dead"
        await desk.lanes.dead_letters.prune(SHOP, 0.0, desk.now + 1)
        await desk.lanes.reader.mirrored(SHOP, await desk.lanes.reader.changed(SHOP, 100))
        assert await desk.lanes.reader.changed(SHOP, 100) == []
        assert await desk.lanes.dead_letters.page(SHOP, 10) == []


async def test_nothing_is_accepted_and_nothing_of_it_is_there(desk: Desk, redis: Redis) -> None:
    before = await redis.keys("*")
    async with full(redis):
        for key in (None, "order-1"):
            with pytest.raises(RedisAway):
                await desk.lanes.accept(Send(SHOP, ANA, "a"), idempotency_key=key, now=desk.now)
        assert sorted(await redis.keys("*")) == sorted(before)
    await desk.accept("a")
    assert await desk.claimed() == ["a"]


async def test_an_owner_keeps_its_lease_and_another_takes_it(
    desk: Desk, redis: Redis, leases: Leases
) -> None:
    """G6, G8: an owner that dies is replaced, and what it had in flight is queued again."""
    await desk.accept("a")
    async with full(redis):
        assert await desk.claimed() == ["a"]
        assert await leases.renew(SHOP, desk.epoch, desk.now)
        first = desk.epoch
        desk.epoch = (await leases.take(SHOP, OWNER, now=desk.now)).epoch
        assert desk.epoch == first + 1
        assert await desk.claimed() == ["a"]
        await leases.report(SHOP, desk.epoch, state="open", cause=None, since=desk.now)
        await desk.rename(LID, ANA)
        assert await leases.release(SHOP, desk.epoch, state="stopped", cause=None, now=desk.now)
        lease = await leases.read(SHOP)
        assert lease is not None
        assert lease.owner is None


@pytest.mark.parametrize("kind", ["once"], indirect=True)
async def test_a_root_begins_and_a_process_is_elected(redis: Redis) -> None:
    await RootGeneration(redis).begin()
    async with full(redis):
        second = RootGeneration(redis)
        assert await second.begin() == 2
        assert await second.is_newest()
        leader = Leadership(redis, keys.WEBHOOKS_CHANNEL)
        assert await leader.hold()
        assert await leader.hold()
        await leader.release()


@pytest.mark.parametrize("kind", ["once"], indirect=True)
async def test_a_connection_is_deleted(redis: Redis, leases: Leases) -> None:
    """That is what frees memory."""
    await leases.take(SHOP, OWNER)
    async with full(redis):
        await leases.delete(SHOP)
        await leases.forget(SHOP)
        assert await redis.keys("*") == [keys.of(SHOP).deleted]
