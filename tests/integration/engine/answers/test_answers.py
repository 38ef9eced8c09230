"""Each stanza that arrives is answered as WhatsApp wants it: class, address, device, recipient."""

from __future__ import annotations

from contextlib import AsyncExitStack
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
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

OTHER = "15550100003"


@pytest.fixture
async def phone(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Device]:
    """A paired device."""
    async with device(simulator, tmp_path / "phone") as made:
        await pair(simulator, made)
        yield made


async def has(phone: Device, text: str | None) -> bool:
    return text in [one.text for one in await phone.messages()]


async def a_message(simulator: Simulator, phone: Device) -> None:
    await simulator.say(CONTACT, ACCOUNT, "hello")
    await until(lambda: has(phone, "hello"))


async def a_message_by_lid(simulator: Simulator, phone: Device) -> None:
    await simulator.address(CONTACT, "lid")
    await a_message(simulator, phone)


async def a_message_from_a_second_device(simulator: Simulator, phone: Device) -> None:
    second = await simulator.link(CONTACT)
    await simulator.say(CONTACT, ACCOUNT, "from the desk", device=second)
    await until(lambda: has(phone, "from the desk"))


async def a_message_in_a_group(simulator: Simulator, phone: Device) -> None:
    second = await simulator.link(CONTACT)
    group = await simulator.group(CONTACT, ACCOUNT, OTHER)
    await simulator.say(CONTACT, group, "to all", device=second)
    await until(lambda: has(phone, "to all"))


async def a_copy_of_the_own_phones_message(simulator: Simulator, phone: Device) -> None:
    await simulator.phone_says(CONTACT, "from my pocket")
    await until(lambda: has(phone, "from my pocket"))


async def a_copy_by_lid(simulator: Simulator, phone: Device) -> None:
    await simulator.address(CONTACT, "lid")
    await a_copy_of_the_own_phones_message(simulator, phone)


async def a_change_of_a_message(simulator: Simulator, phone: Device) -> None:
    sent = await simulator.says(CONTACT, ACCOUNT, text="helo")
    await simulator.says(CONTACT, ACCOUNT, type="edit", target=sent, text="hello")
    await simulator.says(CONTACT, ACCOUNT, type="delete", target=sent)
    await until(lambda: idle(simulator, phone))


async def receipts(simulator: Simulator, phone: Device) -> None:
    await simulator.link(CONTACT)
    await phone.send(1, "hello")
    await until(lambda: _read(phone))


async def _read(phone: Device) -> bool:
    return "read" in {one.status for one in await phone.receipts()}


async def a_contact_who_reinstalls(simulator: Simulator, phone: Device) -> None:
    await a_message(simulator, phone)
    await simulator.reinstall(CONTACT)
    await until(lambda: idle(simulator, phone))


async def changes_of_a_group(simulator: Simulator, phone: Device) -> None:
    group = await simulator.group(CONTACT, ACCOUNT, OTHER)
    await simulator.members(group, remove=[OTHER])
    await simulator.members(group, add=[OTHER])
    await until(lambda: idle(simulator, phone))


async def few_prekeys_left(simulator: Simulator, phone: Device) -> None:
    await simulator.keep_prekeys(2)
    await until(lambda: idle(simulator, phone))


async def a_history(simulator: Simulator, phone: Device) -> None:
    said = [{"text": "last week", "at": 1790000000}]
    await simulator.history(conversations=[{"chat": CONTACT, "messages": said}])
    await until(phone.past)


async def idle(simulator: Simulator, phone: Device) -> bool:
    assert phone.opened.is_set()
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


@pytest.mark.parametrize(
    "scenario",
    [
        a_message,
        a_message_by_lid,
        a_message_from_a_second_device,
        a_message_in_a_group,
        a_copy_of_the_own_phones_message,
        a_copy_by_lid,
        a_change_of_a_message,
        receipts,
        a_contact_who_reinstalls,
        changes_of_a_group,
        few_prekeys_left,
        a_history,
    ],
)
async def test_nothing_is_left_unanswered(
    simulator: Simulator,
    phone: Device,
    scenario: Callable[[Simulator, Device], Awaitable[None]],
) -> None:
    await scenario(simulator, phone)
    assert await simulator.owed() == []


async def test_a_copy_of_another_own_device(
    simulator: Simulator, phone: Device, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(device(simulator, tmp_path / "other"))
        await pair(simulator, other)
        await phone.send(1, "from the first")
        await until(lambda: has(other, "from the first"))
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
