"""Calls that an engine tells of reach the StateManager, in order and once (G11); an old owner's do not (G6)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.abilities.call_reporter import MAX_WAITING_CALLS
from actors.connection.abilities.port import Call
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served

RINGS = Call("A", "15550100002@s.whatsapp.net", 5, "offered", video=True)
OVER = replace(RINGS, at=9, state="ended")


async def noted(served: Served, count: int) -> list[tuple[str, str]]:
    await eventually(f"{count} are noted", lambda: len(served.shelf.calls) >= count, 10)
    return [(each["id"], each["state"]) for each in served.shelf.calls]


async def test_a_call_is_noted_when_it_rings_and_when_it_is_over(served: Served) -> None:
    await served.begin()
    await served.engine.events.on_call(RINGS)
    assert await noted(served, 1) == [("A", "offered")]
    await served.engine.events.on_call(OVER)
    assert await noted(served, 2) == [("A", "offered"), ("A", "ended")]
    first = served.shelf.calls[0]
    assert (first["caller"], first["video"], first["connection"]) == (RINGS.caller, True, "shop")


async def test_calls_wait_for_the_state_manager_and_hold_up_no_engine(served: Served) -> None:
    await served.begin()
    served.shelf.away = True
    for number in range(MAX_WAITING_CALLS + 5):
        async with asyncio.timeout(1):
            await served.engine.events.on_call(replace(RINGS, id=f"C{number}"))
    await asyncio.sleep(0.5)
    assert served.shelf.calls == []
    served.shelf.away = False
    found = await noted(served, MAX_WAITING_CALLS)
    assert [id_ for id_, _ in found] == [f"C{number}" for number in range(5, MAX_WAITING_CALLS + 5)]


async def test_g6_a_call_that_an_old_owner_tells_of_ends_it(served: Served) -> None:
    await served.begin()
    served.shelf.epoch = 1000
    await served.engine.events.on_call(RINGS)
    async with asyncio.timeout(10):
        assert (await served.serving.ended()).reason == "lost"
    assert served.shelf.calls == []
