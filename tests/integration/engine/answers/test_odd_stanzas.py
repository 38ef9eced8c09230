"""Stanzas that the engine cannot use are answered, and hold up nothing behind them."""

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
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def phone(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Device]:
    async with device(simulator, tmp_path) as made:
        await pair(simulator, made)
        await simulator.say(CONTACT, ACCOUNT, "before")
        await until(lambda: has(made, "before"))
        yield made


async def has(phone: Device, text: str | None) -> bool:
    return text in [one.text for one in await phone.messages()]


async def goes_on(simulator: Simulator, phone: Device) -> None:
    """What comes after it arrives, and nothing is owed."""
    await simulator.say(CONTACT, ACCOUNT, "after")
    await until(lambda: has(phone, "after"))
    assert await simulator.owed() == []


async def test_a_status(simulator: Simulator, phone: Device) -> None:
    await simulator.shows(CONTACT, "at sea")
    await goes_on(simulator, phone)


@pytest.mark.parametrize(
    "kind",
    [
        "unparsable",
        "no_protobuf",
    ],
)
async def test_a_message_that_nobody_can_read(
    simulator: Simulator, phone: Device, kind: str
) -> None:
    fault = await simulator.fault(kind, contact=CONTACT)
    assert await simulator.struck(fault) == 1
    await goes_on(simulator, phone)


@pytest.mark.parametrize(
    "owed",
    [
        False,
        True,
    ],
)
async def test_a_stanza_of_an_unknown_tag(simulator: Simulator, phone: Device, owed: bool) -> None:
    """Contested: whatsapp-rust refuses it, whatsmeow is silent."""
    await simulator.rules(unknown_tags=owed)
    fault = await simulator.fault("unknown_tag")
    assert await simulator.struck(fault) == 1
    await goes_on(simulator, phone)


@pytest.mark.parametrize("own_copies", [False, True])
@pytest.mark.parametrize("speaker", ["contact", "own phone"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_message_that_does_not_decrypt_at_first(
    simulator: Simulator, phone: Device, speaker: str, own_copies: bool, times: int
) -> None:
    """Each ciphertext is answered: a retry receipt asks for another, and settles nothing."""
    await simulator.rules(own_copies=own_copies)
    fault = await simulator.fault("garble", count=times)
    if speaker == "contact":
        await simulator.say(CONTACT, ACCOUNT, "garbled")
    else:
        await simulator.phone_says(CONTACT, "garbled")
    await until(lambda: has(phone, "garbled"))
    assert await simulator.struck(fault) == times
    await goes_on(simulator, phone)


async def test_a_message_that_never_decrypts(simulator: Simulator, phone: Device) -> None:
    await simulator.fault("garble", count=20)
    await simulator.say(CONTACT, ACCOUNT, "never")
    await until(lambda: has(phone, None))
    await simulator.heal()
    await goes_on(simulator, phone)


async def test_a_message_that_waits_for_its_resend_is_not_lost_by_a_crash(
    simulator: Simulator, phone: Device
) -> None:
    """The socket is cut as the resend is on its way: it waits, and comes at the next login."""
    await simulator.fault("garble", count=1)
    await simulator.say(CONTACT, ACCOUNT, "garbled")
    await simulator.fault("abort")
    await goes_on(simulator, phone)
    await until(lambda: has(phone, "garbled"))
