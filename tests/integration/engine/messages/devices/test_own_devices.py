"""The account's own other companions: they get a copy of what is sent, and what they send is stored.

The simulator plays them, and tells which of the account's devices read which copy, and how often.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

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

PHONE = 0


async def copied(simulator: Simulator, text: str, devices: list[int]) -> None:
    """Each of the account's devices has its copy once, no other has one, and neither the contact."""

    async def look() -> bool:
        items = [one for one in await simulator.copies() if one["text"] == text]
        return [(one["to"], one["devices"], one["deliveries"]) for one in items] == [
            (CONTACT, devices, 1)
        ]

    await until(look)
    got = [one for one in await simulator.inbox(CONTACT) if one["text"] == text]
    assert [(one["devices"], one["deliveries"]) for one in got] == [([0], 1)]


async def settled(simulator: Simulator) -> None:
    """Waits until the notification of the device is answered."""

    async def nothing_waits() -> bool:
        return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

    await until(nothing_waits)


@pytest.mark.parametrize("notify", [True, False], ids=["notified", "found out by the ack's phash"])
async def test_companions_that_come_and_go_get_copies(
    simulator: Simulator, tmp_path: Path, notify: bool
) -> None:
    """Without a notification, the copy goes to the new companion alone, and once to the contact."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "to the phone")
        await copied(simulator, "to the phone", [PHONE])
        first = await simulator.link(ACCOUNT, notify=notify)
        if notify:
            await settled(simulator)
        await phone.send(2, "to a companion too")
        await copied(simulator, "to a companion too", [PHONE, first])
        second = await simulator.link(ACCOUNT, notify=notify)
        await asyncio.gather(*(phone.send(n, f"to all {n}") for n in range(3, 8)))
        for n in range(3, 8):
            await copied(simulator, f"to all {n}", [PHONE, first, second])
        await simulator.unlink(first, ACCOUNT, notify=notify)
        await phone.send(8, "without the first")
        await copied(simulator, "without the first", [PHONE, second])
        assert phone.causes[1:] == []


async def test_what_a_companion_sends_is_stored_once_as_outgoing(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Live, on a session that both have used, and after it waited while the device was away."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        other = await simulator.link(ACCOUNT)
        await simulator.say(ACCOUNT, CONTACT, "first", device=other)
        await until(lambda: _has(phone, ["first"]))
        await phone.send(1, "between")
        await copied(simulator, "between", [PHONE, other])
        await simulator.say(ACCOUNT, CONTACT, "second", device=other)
        await until(lambda: _has(phone, ["first", "second"]))
    await simulator.say(ACCOUNT, CONTACT, "third", device=other)
    async with device(simulator, tmp_path, epoch=2) as phone:
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        await until(lambda: _has(phone, ["first", "second", "third"]))
        await until(lambda: _settled(simulator))
        stored = await phone.messages()
        assert {(one.chat, one.sender, one.from_me) for one in stored} == {
            (chat(CONTACT), chat(ACCOUNT), True)
        }
        assert [one.source for one in stored] == ["live", "live", "offline"]
        assert (await simulator.account(ACCOUNT))["retries"] == 0


async def _has(phone: Device, texts: list[str]) -> bool:
    return [one.text for one in await phone.messages()] == texts


async def _settled(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
