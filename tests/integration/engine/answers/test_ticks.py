"""Ticks: what the author of a message sees of it, by the receipts of those who got it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


async def seen(simulator: Simulator, text: str) -> dict[str, Any]:
    """Returns the contact's view of a message, once the account's device has it."""
    await simulator.say(CONTACT, ACCOUNT, text)
    await until(lambda: _received(simulator, text))
    return await _said(simulator, text)


async def _said(simulator: Simulator, text: str) -> dict[str, Any]:
    items = (await simulator._call("GET", f"/contacts/{CONTACT}/said"))["items"]
    return next(one for one in items if one["text"] == text)


async def _received(simulator: Simulator, text: str) -> bool:
    return bool((await _said(simulator, text))["received"])


async def shown(simulator: Simulator, phone: Device, *, online: bool) -> None:
    await phone.engine.presence(available=online)

    async def done() -> bool:
        return bool((await simulator.account(ACCOUNT))["available"] == online)

    await until(done)


async def test_an_inactive_receipt_leaves_an_own_message_at_one_tick(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The one that is read afterwards shows that the receipts before were heard."""
    await simulator.contact(CONTACT, receipts="inactive", delivered_after=0)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "one tick")
        await until(lambda: _answered(simulator))
        await simulator.contact(CONTACT, receipts="delivered")
        await phone.send(2, "two ticks")
        await until(phone.receipts)
        heard = {one.message_ids[0][-1] for one in await phone.receipts()}
        assert heard == {"2"}


@pytest.mark.parametrize("shown", ["all", "none"])
async def test_what_the_phone_read_is_answered(
    simulator: Simulator, tmp_path: Path, shown: str
) -> None:
    """The receipt is the account's own, `read` or `read-self`, and about the contact's message."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator._call("POST", f"/accounts/{ACCOUNT}", read_receipts=shown)
        read = (await seen(simulator, "read on the phone"))["id"]
        await simulator._call("POST", f"/phones/{ACCOUNT}/read", ids=[read])
        await until(lambda: _answered(simulator))
        assert await simulator.owed() == []
        assert await phone.receipts() == []


async def _answered(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
