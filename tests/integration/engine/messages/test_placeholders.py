"""Messages that come without their ciphertext: the account's phone has them."""

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


async def texts(phone: Device) -> list[str | None]:
    return [one.text for one in await phone.messages()]


async def goes_on(simulator: Simulator, phone: Device) -> None:
    await simulator.say(CONTACT, ACCOUNT, "after")

    async def arrived() -> bool:
        return "after" in await texts(phone)

    await until(arrived)
    assert await simulator.owed() == []


@pytest.mark.parametrize("kind", ["plain", "view_once", "hosted"])
async def test_it_is_answered_and_holds_up_nothing(
    simulator: Simulator, tmp_path: Path, kind: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable=kind)
        await goes_on(simulator, phone)


@pytest.mark.xfail(
    strict=True, reason="the engine stores a placeholder and does not ask the phone for the message"
)
@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_the_phone_hands_it_over(simulator: Simulator, tmp_path: Path, mode: str) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable="plain", addressing=mode)
        await goes_on(simulator, phone)

        async def handed_over() -> bool:
            return "from an ad" in await texts(phone)

        await until(handed_over, 5)
        assert (await simulator.account(ACCOUNT))["placeholder_resends"] == 1
