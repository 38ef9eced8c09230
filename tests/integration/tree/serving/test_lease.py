"""One served connection and its lease, on a real Valkey (G2, G6, G11)."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.disconnects.consequences import LEASE_GONE
from actors.connection.owner.serving import LEASE_EXPIRED
from actors.redis.leases.leases import Owner
from tests.integration.tree.conftest import PACE
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.connection.engine import SendRequest
    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey


OTHER = Owner("connection:b", 2, "here")


async def test_a_wait_that_redis_breaks_off_does_not_end_the_sending(served: Served) -> None:
    """G2: a failover answers each blocked client with an error."""
    await served.begin()
    await served.becomes(await served.accept("before"), "sent")
    blocked = [
        client["id"]
        for client in await served.redis.client_list()
        if client["cmd"].lower() == "blpop"
    ]
    assert blocked
    for client in blocked:
        await served.redis.client_unblock(int(client), error=True)
    await served.becomes(await served.accept("after"), "sent")


async def test_a_newer_epoch_ends_it(served: Served) -> None:
    """G6: it closes its socket, completes nothing, and its successor has what was in flight."""
    gate = asyncio.Event()

    async def answer(message: SendRequest) -> float:
        await gate.wait()
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    await eventually("it is under way", lambda: served.engine.in_flight == 1, 10)
    newer = await served.leases.take("shop", OTHER)
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert ending.reason == "lost"
    assert served.engine.closed
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.epoch, lease.owner, lease.state) == (newer.epoch, OTHER, "connecting")
    found = await served.lanes.reader.get(record.id)
    assert found is not None
    assert found.status == "queued"


LEASED = replace(PACE, lease=3.0)


async def test_where_others_may_serve_the_socket_closes_when_the_lease_runs_out(
    served_apart: Served, own_server: Valkey
) -> None:
    """G6: and is opened again, under the same epoch, once a renewal says that nobody came."""
    served = served_apart
    await served.begin(pace=LEASED)
    epoch = (await served.state("open")).epoch
    renewed = asyncio.get_running_loop().time()
    await asyncio.sleep(4.0)
    assert len(served.engine.runs) == 1, "what is renewed does not run out"
    own_server.signal(signal.SIGSTOP)  # stands still: no renewal is answered, and none is refused

    async def lapsed() -> bool:
        return served.serving.now.cause == LEASE_EXPIRED

    await eventually("the lease ran out", lapsed, 10)
    assert asyncio.get_running_loop().time() - renewed >= 4.0
    assert served.engine.cancelled == 1
    runs = len(served.engine.runs)
    await asyncio.sleep(1.0)
    assert len(served.engine.runs) == runs, "it opened another socket without a lease"
    own_server.signal(signal.SIGCONT)
    lease = await served.state("open")
    assert lease.epoch == epoch
    assert len(served.engine.runs) == runs + 1
    await served.becomes(await served.accept("after"), "sent")


async def test_on_one_host_a_redis_that_is_away_closes_nothing(
    served_apart: Served, own_server: Valkey
) -> None:
    served = served_apart
    await served.begin()
    await served.state("open")
    own_server.kill()
    await asyncio.sleep(2.0)
    assert (len(served.engine.runs), served.engine.cancelled) == (1, 0)
    assert served.serving.now.state == "open"


async def test_an_emptied_redis_ends_it(served: Served) -> None:
    serving = await served.begin()
    await served.state("open")
    await served.leases.forget("shop")
    # The next beat finds none at all; a claim or a report that comes first is refused as another's.
    assert (await asyncio.wait_for(serving.ended(), 5)).reason in LEASE_GONE
