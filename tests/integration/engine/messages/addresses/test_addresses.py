"""Addresses of direct messages: one namespace a message, whatever a chat is named by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import NotConnected
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


async def reached(simulator: Simulator, text: str) -> bool:
    return text in [one["text"] for one in await simulator.inbox(CONTACT)]


async def copied(simulator: Simulator, text: str) -> bool:
    return text in [one["text"] for one in await simulator.copies()]


async def chat_by_lid(simulator: Simulator, phone: Device) -> str:
    """The chat of a contact who wrote by LID."""
    await simulator.address(CONTACT, "lid")
    await simulator.say(CONTACT, ACCOUNT, "hello")
    return str((await until(phone.messages))[0].chat)


async def test_a_stranger_who_writes_by_lid_is_answered(
    simulator: Simulator, phone: Device
) -> None:
    """Their number is not known, unless the message brings it."""
    await simulator.fault("conceal")
    chat = await chat_by_lid(simulator, phone)
    await phone.send(1, "who are you?", to=chat)
    await until(lambda: reached(simulator, "who are you?"))


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_the_copy_for_the_own_phone_names_the_chat_as_the_servers_does(
    simulator: Simulator, phone: Device, mode: str
) -> None:
    await simulator.address(CONTACT, mode)
    await simulator.say(CONTACT, ACCOUNT, "hello")
    await until(phone.messages)
    await phone.send(1, "how are you?")
    await until(lambda: copied(simulator, "how are you?"))
    assert (await simulator.account(ACCOUNT))["misnamed_copies"] == 0


async def test_an_account_that_has_not_migrated(simulator: Simulator, tmp_path: Path) -> None:
    """The pairing says so, and the device names people by number: the server refuses its LIDs."""
    made = await simulator.control.post(f"/accounts/{ACCOUNT}", json={"migrated": False})
    assert not made.json()["migrated"]
    await simulator.rules(ACCOUNT, unmigrated_lid=True)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "by number")
        await chat_by_lid(simulator, phone)
        await phone.send(2, "and again")
        await until(lambda: reached(simulator, "and again"))
        account = await simulator.account(ACCOUNT)
        assert (account["sent_by_lid"], account["sent_by_pn"]) == (0, 2)
        assert account["refused"] == {}, "no LID was tried"


async def test_a_message_that_finds_its_number_misdialled_has_not_left(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G4: earlier messages may wait in the chat of the other number, which is known from then on."""
    asked = f"{CONTACT}9"
    await simulator.contact(asked, answered_by=CONTACT)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        with pytest.raises(NotConnected):
            await phone.send(1, "found you", to=asked)
        assert await simulator.inbox(CONTACT) == []
        assert phone.engine.names.chat_today(chat(asked)) == chat(CONTACT)
        await phone.send(1, "found you", to=asked)
        await until(lambda: reached(simulator, "found you"))


async def test_a_phone_that_tells_of_its_migration_is_answered(
    simulator: Simulator, tmp_path: Path
) -> None:
    """LIDs that it tells disturb no conversation."""
    await simulator._call("POST", f"/accounts/{ACCOUNT}", migrated=False)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "before")
        done = await simulator._call("POST", f"/accounts/{ACCOUNT}/migrate", contacts=[CONTACT])
        assert len(done["told"]) == 1
        assert await simulator.owed() == []
        await simulator.say(CONTACT, ACCOUNT, "meanwhile")
        await until(phone.messages)
        await phone.send(2, "after")
        assert [one.text for one in await phone.messages()] == ["meanwhile"]
    assert [each["text"] for each in await simulator.inbox(CONTACT)] == ["before", "after"]
