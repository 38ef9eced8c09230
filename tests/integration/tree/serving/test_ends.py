"""Ends of a served connection: on request, unlinked, or broken (G2, G3)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.metrics.mistakes import OWN_MISTAKES
from tests.processes.measured import Measured
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.connection.engine import InboxMessage, SendRequest
    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey


async def test_stop_lets_what_is_in_flight_arrive(served: Served) -> None:
    async def answer(message: SendRequest) -> float:
        await asyncio.sleep(0.3)
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    await eventually("it is under way", lambda: served.engine.in_flight == 1, 10)
    await serving.stop()
    behind = await served.accept("behind")
    assert (await served.becomes(record, "sent")).attempts == 1
    assert (await served.becomes(behind, "queued")).attempts == 0
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.owner) == ("stopped", None)
    assert served.engine.closed
    assert served.shelf.observed[-1]["state"] == "stopped"


async def test_stop_is_bounded_and_gives_back_what_is_stuck(served: Served) -> None:
    """G2, G3: bytes may have left, so it is queued again as uncertain."""

    async def answer(message: SendRequest) -> float:
        await asyncio.sleep(60)
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    await eventually("it is under way", lambda: served.engine.in_flight == 1, 10)
    began = time.monotonic()
    await asyncio.gather(serving.stop(), serving.stop())
    assert time.monotonic() - began < 30
    found = await served.becomes(record, "queued")
    assert found.uncertain


async def test_stop_is_bounded_without_redis(served_apart: Served, own_server: Valkey) -> None:
    serving = await served_apart.begin()
    await served_apart.state("open")
    own_server.kill()
    began = time.monotonic()
    await serving.stop()
    assert time.monotonic() - began < 30
    own_server.start()


async def test_logout_unlinks_and_says_so(served: Served) -> None:
    serving = await served.begin()
    await served.state("open")
    ending = await serving.logout()
    assert ending.reason == "logged_out"
    assert served.engine.logged_out
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == ("logged_out", "asked", None)


async def test_a_loop_that_breaks_ends_it_visibly(served: Served) -> None:
    async def pending(kind: str, limit: int) -> list[InboxMessage]:
        raise RuntimeError("a bug")

    served.engine.pending = pending  # type: ignore[method-assign]
    measured = Measured()
    serving = await served.begin()
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert (ending.reason, ending.cause) == ("broke", "RuntimeError")
    assert measured.rise(OWN_MISTAKES, action="serve") == 1
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.owner) == ("reconnecting", None)
