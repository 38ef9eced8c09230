"""Waits for a standby under construction, and creations of further actors."""

from __future__ import annotations

import asyncio
from typing import Any

from supervision.child import Child
from supervision.cluster import CallTimeout
from supervision.standbys import Standbys


class Makers:
    """Children whose making a test finishes."""

    def __init__(self) -> None:
        self.begun: list[asyncio.Future[Child]] = []

    async def create(self, role: str) -> Child:
        assert role == "connection"
        made: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self.begun.append(made)
        return await made

    def finish(self, number: int) -> Child:
        handle: Any = f"actor {number}"
        child = Child("connection", handle)
        self.begun[number].set_result(child)
        return child


async def test_after_a_cold_start_one_waits_for_the_standby_and_the_others_for_nobody() -> None:
    makers = Makers()
    standbys = Standbys(makers, 1)  # type: ignore[arg-type]
    keeping = asyncio.ensure_future(standbys.replenish())
    await asyncio.sleep(0.01)
    assert len(makers.begun) == 1, "the standby"
    taking = [asyncio.ensure_future(standbys.take()) for _ in range(4)]
    await asyncio.sleep(0.01)
    assert len(makers.begun) == 4, "one of the four gets the standby"
    made = [makers.finish(number) for number in range(4)]
    taken = await asyncio.gather(*taking)
    assert {id(child) for child in taken} == {id(child) for child in made}
    for _ in taken:
        standbys.done()
    await asyncio.sleep(0.01)
    assert len(makers.begun) == 5, "the next standby, once all serve"
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_standby_that_could_not_be_made_keeps_nobody_waiting() -> None:
    makers = Makers()
    standbys = Standbys(makers, 1)  # type: ignore[arg-type]
    keeping = asyncio.ensure_future(standbys.replenish())
    await asyncio.sleep(0.01)
    taking = asyncio.ensure_future(standbys.take())
    await asyncio.sleep(0.01)
    makers.begun[0].set_exception(CallTimeout("none"))
    await asyncio.sleep(0.01)
    assert len(makers.begun) == 2
    child = makers.finish(1)
    assert await taking is child
    keeping.cancel()
    await asyncio.wait([keeping])
