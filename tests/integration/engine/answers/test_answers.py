"""Each stanza that arrives is answered as WhatsApp wants it: class, address, device, recipient."""

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


async def has(phone: Device, text: str | None) -> bool:
    return text in [one.text for one in await phone.messages()]


async def idle(simulator: Simulator, phone: Device) -> bool:
    assert phone.opened.is_set()
    return await settled(simulator)


async def settled(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


async def test_a_copy_by_lid_of_the_own_phones_message(simulator: Simulator, phone: Device) -> None:
    await simulator.address(CONTACT, "lid")
    await simulator.phone_says(CONTACT, "from my pocket")
    await until(lambda: has(phone, "from my pocket"))
    assert await simulator.owed() == []


@pytest.mark.leaves_unanswered("message")
async def test_a_stream_that_is_closed_for_a_missing_answer_opens_again(
    simulator: Simulator, phone: Device
) -> None:
    """The stanza comes again, and is there once. Nobody answers within a tenth of a millisecond."""
    await simulator.answers(seconds=0.0001)
    await simulator.say(CONTACT, ACCOUNT, "hello")
    await until(simulator.late)
    await simulator.answers(seconds=3000)
    await until(lambda: has(phone, "hello"))
    await until(lambda: len(phone.causes) >= 2 and phone.opened.is_set())
    await until(lambda: idle(simulator, phone))
    assert [one.text for one in await phone.messages()] == ["hello"]


async def goes_on(simulator: Simulator, phone: Device) -> None:
    """The next message arrives, and nothing is owed."""
    await simulator.say(CONTACT, ACCOUNT, "after")
    await until(lambda: has(phone, "after"))
    assert await simulator.owed() == []


async def test_a_copy_of_an_own_message_that_does_not_decrypt_at_first(
    simulator: Simulator, phone: Device
) -> None:
    """Each ciphertext is answered: a retry receipt asks for another, and settles nothing."""
    await simulator.rules(own_copies=True)
    fault = await simulator.fault("garble", count=3)
    await simulator.phone_says(CONTACT, "garbled")
    await until(lambda: has(phone, "garbled"))
    assert await simulator.struck(fault) == 3
    await goes_on(simulator, phone)


async def test_a_copy_of_an_own_message_that_never_decrypts(
    simulator: Simulator, tmp_path: Path
) -> None:
    """It is given up, and comes no more: also where the receipt of type `sender` alone settles it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.rules(own_copies=True)
        await simulator.fault("garble", count=99)
        await simulator.phone_says(CONTACT, "garbled")
        await until(phone.messages)
        try:
            assert await simulator.owed() == []
        finally:  # what is owed under the rule would be found after the test, too
            await simulator.heal()
            await simulator.rules(own_copies=False)
            await simulator.fault("drop")
            await until(lambda: settled(simulator))
        assert [one.type for one in await phone.messages()] == ["undecryptable"]


async def test_a_message_that_waits_for_its_resend_is_not_lost_by_a_crash(
    simulator: Simulator, phone: Device
) -> None:
    """The socket is cut as the resend is on its way: it waits, and comes at the next login."""
    await simulator.fault("garble", count=1)
    await simulator.say(CONTACT, ACCOUNT, "garbled")
    await simulator.fault("abort")
    await goes_on(simulator, phone)
    await until(lambda: has(phone, "garbled"))
