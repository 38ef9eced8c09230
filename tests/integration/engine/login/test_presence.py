"""Lookups of numbers, presence and typing, over the real protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import NotConnected, Presence, SendError
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


async def test_who_is_on_whatsapp(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.lookup(chat(CONTACT))
        await pair(simulator, phone)
        assert await phone.engine.lookup(chat(CONTACT)) == chat(CONTACT)
        with pytest.raises(SendError) as refused:
            await phone.engine.lookup("90000000000002@lid")
        assert refused.value.code == "unsupported_chat"


async def test_presence_and_typing_leave_the_connection_as_it_was(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.presence(available=True)
        await pair(simulator, phone)
        await phone.engine.presence(available=True)
        for state in ("composing", "recording", "paused"):
            await phone.engine.typing(chat(CONTACT), state)
        with pytest.raises(SendError):
            await phone.engine.typing(chat(CONTACT), "dancing")
        await phone.engine.presence(available=False)
        await phone.send(1, "still here")


async def hears(phone: Device) -> Presence:
    return await asyncio.wait_for(phone.presences.get(), PATIENCE)


async def test_presence_and_typing_of_a_contact(simulator: Simulator, tmp_path: Path) -> None:
    ana = chat(CONTACT)
    await simulator.address(CONTACT, "lid")
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.subscribe(ana)
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "hi")
        await until(phone.messages)  # by which the engine knows both addresses
        await phone.engine.presence(available=True)
        await until(lambda: _is_available(simulator))
        await phone.engine.subscribe(ana)
        first = await hears(phone)
        assert (first.chat, first.who, first.state) == (ana, ana, "unavailable")
        await simulator._call("POST", f"/contacts/{CONTACT}/presence", available=True)
        assert await hears(phone) == Presence(ana, ana, "available")
        for state in ("composing", "recording", "paused"):
            await simulator._call("POST", f"/contacts/{CONTACT}/typing", to=ACCOUNT, state=state)
            update = await hears(phone)
            assert (update.chat, update.who, update.state) == (ana, ana, state)
        await simulator._call("POST", f"/contacts/{CONTACT}/presence", available=False)
        gone = await hears(phone)
        assert (gone.who, gone.state) == (ana, "unavailable")
        assert gone.last_seen is not None
        with pytest.raises(SendError) as refused:
            await phone.engine.subscribe("120363000000000001@g.us")
        assert refused.value.code == "unsupported_chat"


async def test_typing_of_a_group_member(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.engine.presence(available=True)
        await until(lambda: _is_available(simulator))
        group = await simulator._call(
            "POST", "/groups", subject="Us", creator=CONTACT, participants=[ACCOUNT]
        )
        await simulator._call("POST", f"/contacts/{CONTACT}/typing", to=group["id"])
        update = await hears(phone)
        assert (update.chat, update.state) == (group["id"], "composing")
        played = await simulator.played()
        assert update.who in {chat(CONTACT), f"{played['lid'].partition('@')[0]}@lid"}


async def _is_available(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["available"])
