"""Messages on a Signal session that is not the current one any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.recovery.owner.test_crash import counted, died, prepare, start
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    device,
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


@pytest.mark.parametrize(
    ("point", "at", "there"), [("before_decrypting", 3, 1), ("before_inbox_commit", 1, 0)]
)
async def test_killed_between_the_new_session_and_the_one_before(
    simulator: Simulator, tmp_path: Path, point: str, at: int, there: int
) -> None:
    """G5: the session before is archived on disk, in the commit that stores the first message."""
    await prepare(simulator, tmp_path, talked=True)
    retries = (await simulator.account(ACCOUNT))["retries"]
    child = start(simulator, tmp_path, point, at=at, sends=[], batch=1)

    try:
        await until(lambda: "open\n" in (tmp_path / "child.log").read_text())
        fault = await say_newest_first(simulator)
        await died(child, tmp_path)
    finally:
        child.kill()
        child.wait()
    assert await simulator.struck(fault) == COUNT
    assert counted(tmp_path, "SELECT count(*) FROM inbox WHERE kind = 'message'") == there
    async with device(simulator, tmp_path, epoch=3) as phone:
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        # Messages that wait at WhatsApp come in the order in which they were sent.
        await ends_well(simulator, phone, [3, 1, 2] if there else [1, 2, 3])
    assert (await simulator.account(ACCOUNT))["retries"] == retries
    assert counted(tmp_path, "SELECT count(*) FROM retries") == 0
