"""Contacts with several devices, which come and go between two messages.

The simulator tells which of the contact's devices read a message, and how often its id came.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


async def reached(simulator: Simulator, text: str, devices: list[int]) -> None:
    """Each of the devices has the message once, and no other device has it."""

    async def look() -> bool:
        items: list[dict[str, Any]] = await simulator.inbox(CONTACT)
        item = next((item for item in items if item["text"] == text), None)
        return item is not None and item["devices"] == devices and item["deliveries"] == 1

    await until(look)


async def opened(made: Device) -> None:
    async with asyncio.timeout(PATIENCE):
        await made.opened.wait()


@pytest.mark.parametrize("notify", [True, False], ids=["told", "found out by the ack's phash"])
async def test_devices_that_come_and_go(simulator: Simulator, tmp_path: Path, notify: bool) -> None:
    """Untold, the message goes to the new device alone, under its id; nobody gets it twice."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "one device")
        await reached(simulator, "one device", [0])
        first = await simulator.link(notify=notify)
        if notify:
            await until(lambda: _settled(simulator))
        await phone.send(2, "two devices")
        await reached(simulator, "two devices", [0, first])
        second = await simulator.link(notify=notify)
        await asyncio.gather(*(phone.send(n, f"three devices {n}") for n in range(3, 8)))
        for n in range(3, 8):
            await reached(simulator, f"three devices {n}", [0, first, second])
        await simulator.unlink(first, notify=notify)
        await phone.send(8, "without the first")
        await reached(simulator, "without the first", [0, second])
        assert phone.causes[1:] == []


async def test_a_change_of_devices_while_away_is_not_missed(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The notification waited at WhatsApp; the list in the session file is not trusted after it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "one device")
    first = await simulator.link()
    async with device(simulator, tmp_path, epoch=2) as phone:
        await opened(phone)
        await phone.send(2, "two devices")
        await reached(simulator, "two devices", [0, first])
    async with device(simulator, tmp_path, epoch=3) as phone:
        await opened(phone)
        await phone.send(3, "after a restart")
        await reached(simulator, "after a restart", [0, first])


async def _has(phone: Device, text: str) -> bool:
    return text in [one.text for one in await phone.messages()]


async def test_a_contact_that_goes_by_its_lid_is_reached_on_every_device(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Both addresses are one person: no session and no device list is kept twice."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        linked = await simulator.link()
        await phone.send(1, "by number")
        await reached(simulator, "by number", [0, linked])
        await simulator.address(CONTACT, "lid")
        await simulator.say(CONTACT, ACCOUNT, "by lid")
        await until(lambda: _has(phone, "by lid"))
        await phone.send(2, "to the same person")
        await reached(simulator, "to the same person", [0, linked])
        third = await simulator.link()
        await until(lambda: _settled(simulator))
        await phone.send(3, "to a third")
        await reached(simulator, "to a third", [0, linked, third])
        await until(lambda: _settled(simulator))
        assert (await simulator.played(CONTACT))["retries"] == 0


async def _settled(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
