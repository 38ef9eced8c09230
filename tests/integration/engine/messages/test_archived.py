"""Messages on a Signal session that is not the current one any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    counted,
    device,
    prepare,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 3


async def say_newest_first(simulator: Simulator) -> int:
    """The contact forgets the session before the last message, which arrives first; the fault."""
    fault = await simulator.fault("reorder", count=COUNT)
    for number in range(1, COUNT):
        await simulator.say(CONTACT, ACCOUNT, f"text {number}")
    await simulator.forget(CONTACT)
    await simulator.say(CONTACT, ACCOUNT, f"text {COUNT}")
    return fault


async def ends_well(simulator: Simulator, phone: Device, order: list[int]) -> None:
    """All are there once, in the order of their arrival, and none was asked for again."""
    texts = [f"text {number}" for number in order]

    async def there(count: int) -> bool:
        return len(await phone.messages()) >= count

    await until(lambda: there(COUNT))
    await simulator.say(CONTACT, ACCOUNT, "after")
    # The session that read last is the one that the answer goes by.
    await until(lambda: there(COUNT + 1))
    await phone.send(1, "answered")

    async def answered() -> bool:
        return [one["text"] for one in await simulator.inbox(CONTACT)][-1] == "answered"

    async def quiet() -> bool:
        return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

    await until(answered)
    await until(quiet)
    assert [one.text for one in await phone.messages()] == [*texts, "after"]


async def test_messages_of_the_session_before_arrive_after_the_new_one(
    simulator: Simulator, tmp_path: Path
) -> None:
    await prepare(simulator, tmp_path, talked=True)
    retries = (await simulator.account(ACCOUNT))["retries"]
    async with device(simulator, tmp_path, epoch=2) as phone:
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        fault = await say_newest_first(simulator)
        await ends_well(simulator, phone, [3, 2, 1])
        assert await simulator.struck(fault) == COUNT
    assert (await simulator.account(ACCOUNT))["retries"] == retries
    assert counted(tmp_path, "SELECT count(*) FROM retries") == 0
