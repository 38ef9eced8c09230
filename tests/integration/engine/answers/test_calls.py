"""Calls of contacts: their stanzas are answered, and hold up nothing behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


async def has(phone: Device, text: str) -> bool:
    return text in [one.text for one in await phone.messages()]


async def goes_on(simulator: Simulator, phone: Device, text: str) -> None:
    await simulator.say(CONTACT, ACCOUNT, text)
    await until(lambda: has(phone, text))
    assert await simulator.owed() == []


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_an_offer_and_its_end(simulator: Simulator, tmp_path: Path, mode: str) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator._call(
            "POST", f"/contacts/{CONTACT}/call", to=ACCOUNT, video=True, addressing=mode
        )
        await goes_on(simulator, phone, "while it rings")
        ended = await simulator._call("DELETE", f"/contacts/{CONTACT}/call")
        assert len(ended["ended"]) == 1
        await goes_on(simulator, phone, "after the call")
        assert await simulator.late() == []


async def test_a_call_that_came_while_the_device_was_away(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    await simulator._call("POST", f"/contacts/{CONTACT}/call", to=ACCOUNT)
    async with device(simulator, tmp_path, 2) as phone:
        await goes_on(simulator, phone, "back again")
