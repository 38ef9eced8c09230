"""Calls of contacts: reported, answered, refused, and nothing behind them is held up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import NotConnected, SendError
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    chat,
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


async def test_an_offer_and_its_end(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator._call(
            "POST", f"/contacts/{CONTACT}/call", to=ACCOUNT, video=True, addressing="pn"
        )
        rings = await asyncio.wait_for(phone.calls.get(), PATIENCE)
        assert (rings.caller, rings.state, rings.video) == (chat(CONTACT), "offered", True)
        assert abs(rings.at - time.time()) < 60
        assert rings.group is None
        assert (rings.sender_lid or "").endswith("@lid"), "the caller's LID came with the call"
        await goes_on(simulator, phone, "while it rings")
        ended = await simulator._call("DELETE", f"/contacts/{CONTACT}/call")
        assert len(ended["ended"]) == 1
        over = await asyncio.wait_for(phone.calls.get(), PATIENCE)
        assert (over.id, over.state, over.caller) == (rings.id, "ended", rings.caller)
        with pytest.raises(SendError, match="unknown_call"):
            await phone.engine.reject_call(rings.id)
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
        assert (await asyncio.wait_for(phone.calls.get(), PATIENCE)).state == "offered"


async def test_a_call_is_refused(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.reject_call("A")
        await pair(simulator, phone)
        with pytest.raises(SendError, match="unknown_call"):
            await phone.engine.reject_call("A")
        await simulator._call("POST", f"/contacts/{CONTACT}/call", to=ACCOUNT, addressing="lid")
        rings = await asyncio.wait_for(phone.calls.get(), PATIENCE)
        await phone.engine.reject_call(rings.id)
        (call,) = await until(lambda: became(simulator, "rejected"))
        assert (call["id"], call["state"]) == (rings.id, "rejected")
        (own,) = (await simulator.account(ACCOUNT))["devices"]
        assert call["by"] == own["device"]
        with pytest.raises(SendError, match="unknown_call"):
            await phone.engine.reject_call(rings.id)
        await goes_on(simulator, phone, "after the call")
        assert await simulator.late() == []


async def became(simulator: Simulator, state: str) -> list[dict[str, Any]]:
    found = await simulator._call("GET", f"/contacts/{CONTACT}/call")
    return [each for each in found["items"] if each["state"] == state]
