"""A primary and its replica: what was acknowledged survives the loss of the primary (G1, G6)."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import OutboundQueue, RedisAway, Send
from actors.queue.queue_errors import ConnectionDeleted
from actors.redis.client import connect, durability
from actors.redis.leases.leases import Lease, Leases, Owner
from tests.integration.queue.desk import ANA, BEN, SHOP
from tests.processes.valkey import PASSWORD, Valkey
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

OWNER = Owner(actor="a", pid=1, node="here")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Valkey, Valkey]]:
    at_once = {"repl-diskless-sync-delay": "0"}
    with Valkey(tmp_path / "primary", options=at_once) as primary:
        options = {"replicaof": f"127.0.0.1 {primary.port}", "masterauth": PASSWORD}
        with Valkey(tmp_path / "replica", options=options) as replica:
            yield primary, replica


@pytest.fixture
async def lanes(pair: tuple[Valkey, Valkey]) -> AsyncIterator[OutboundQueue]:
    """The queue of a gateway that waits for one replica, once that is in step."""
    settings = pair[0].settings(redis_replicas=1)
    redis = connect(settings)
    port = OutboundQueue(redis, settings)

    async def in_step() -> bool:
        return (await durability(redis)).holds

    await eventually("the replica is in step", in_step, 20)
    yield port
    await port.close()
    await redis.aclose()


async def promoted(pair: tuple[Valkey, Valkey]) -> Redis:
    """A client of the replica, which is the primary from now on: the former one is dead.

    The replica is killed as well: what stood unread in its socket is lost, as on a link that broke.
    """
    primary, replica = pair
    primary.kill()
    replica.kill()
    replica.start()
    client = connect(replica.settings())
    await client.replicaof("NO", "ONE")
    return client


async def taken(leases: Leases) -> Lease:
    """A lease that the replica has as well; a busy machine may take more than one try."""
    while True:
        with suppress(RedisAway):
            return await leases.take(SHOP, OWNER)


async def test_what_was_accepted_is_there_after_a_failover(
    pair: tuple[Valkey, Valkey], lanes: OutboundQueue
) -> None:
    """The link freezes among sends: each one that was accepted is at the replica."""
    accepted: list[str] = []
    frozen = asyncio.Event()

    async def send(chat: str) -> None:
        for number in range(10_000):
            try:
                taken = await lanes.accept(Send(SHOP, chat, f"{number}"))
            except RedisAway:
                if frozen.is_set():
                    return
                continue  # a busy machine: the replica was late
            accepted.append(taken.record.id)
            if len(accepted) == 200:
                pair[1].signal(signal.SIGSTOP)
                frozen.set()

    await asyncio.gather(send(ANA), send(BEN))
    assert len(accepted) >= 200
    redis = await promoted(pair)
    left = OutboundQueue(redis, pair[1].settings())
    try:
        assert [one for one in accepted if await left.reader.get(one) is None] == []
    finally:
        await left.close()
        await redis.aclose()


async def test_an_epoch_is_given_once_also_across_a_failover(
    pair: tuple[Valkey, Valkey], lanes: OutboundQueue
) -> None:
    leases = Leases(lanes._transitions.redis)
    given = await taken(leases)
    pair[1].signal(signal.SIGSTOP)
    with pytest.raises(RedisAway):
        await leases.take(SHOP, OWNER)
    redis = await promoted(pair)
    try:
        assert (await Leases(redis).take(SHOP, OWNER)).epoch == given.epoch + 1
    finally:
        await redis.aclose()


async def test_a_deleted_connection_is_so_across_a_failover(
    pair: tuple[Valkey, Valkey], lanes: OutboundQueue
) -> None:
    """A deletion ends once its replica has the tombstone, and not before."""
    leases = Leases(lanes._transitions.redis)
    pair[1].signal(signal.SIGSTOP)
    with pytest.raises(RedisAway):
        await leases.delete(SHOP)
    pair[1].signal(signal.SIGCONT)

    async def deleted() -> bool:
        with suppress(RedisAway):
            await leases.delete(SHOP)
            return True
        return False

    await eventually("the replica has the tombstone", deleted, 20)
    redis = await promoted(pair)
    left = OutboundQueue(redis, pair[1].settings())
    try:
        assert await Leases(redis).deleted_at(SHOP) is not None
        with pytest.raises(ConnectionDeleted):
            await left.accept(Send(SHOP, ANA, "late"))
    finally:
        await left.close()
        await redis.aclose()


async def test_who_serves_goes_on_while_replicas_are_away(
    pair: tuple[Valkey, Valkey], lanes: OutboundQueue
) -> None:
    """They keep nobody from sending what was accepted before."""
    lease = await taken(Leases(lanes._transitions.redis))
    pair[1].signal(signal.SIGSTOP)
    assert await Leases(lanes._transitions.redis).renew(SHOP, lease.epoch)
    with pytest.raises(RedisAway):
        await lanes.accept(Send(SHOP, ANA, "meanwhile"))
    pair[1].signal(signal.SIGCONT)


async def test_g1_is_said_not_to_hold_without_it(
    pair: tuple[Valkey, Valkey], lanes: OutboundQueue
) -> None:
    redis = connect(pair[0].settings())
    try:
        told = (await durability(redis)).reason
        assert told is not None
        assert "1 replicas, and REDIS_REPLICAS is 0" in told
    finally:
        await redis.aclose()
    pair[1].kill()

    async def missed() -> bool:
        reason = (await durability(lanes._transitions.redis)).reason or ""
        return "0 of 1 replicas are in step" in reason

    await eventually("the replica is missed", missed, 20)
