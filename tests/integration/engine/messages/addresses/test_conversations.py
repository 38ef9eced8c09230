"""One person is one conversation, whatever address or installation the messages come from."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.session import SESSION_FILE
from actors.connection.whatsmeow import DATABASE
from actors.state.messages.received import incoming
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def phone(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Device]:
    """A device that talked with the contact: each has heard the other."""
    async with device(simulator, tmp_path) as made:
        await pair(simulator, made)
        await made.send(1, "out 1")
        await said(simulator, "out 1")
        await simulator.say(CONTACT, ACCOUNT, "in 1")
        await has(made, "in 1")
        yield made


async def has(phone: Device, text: str) -> None:
    async def there() -> bool:
        return text in [one.text for one in await phone.messages()]

    await until(there)


async def said(simulator: Simulator, text: str) -> None:
    async def there() -> bool:
        return text in [item["text"] for item in await simulator.inbox(CONTACT)]

    await until(there)


async def idle(simulator: Simulator) -> None:
    async def nothing() -> bool:
        return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

    await until(nothing)


def rows(directory: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        return file.execute(sql).fetchall()


async def test_a_contact_whose_address_switches(
    simulator: Simulator, phone: Device, tmp_path: Path
) -> None:
    """LID and phone number: one chat, one session, nobody has to ask for anything again."""
    for turn, mode in enumerate(("lid", "pn", "lid", "pn"), 2):
        await simulator.address(CONTACT, mode)
        await simulator.say(CONTACT, ACCOUNT, f"in {turn}")
        await has(phone, f"in {turn}")
        await phone.send(turn, f"out {turn}")
        await said(simulator, f"out {turn}")
    await idle(simulator)
    messages = await phone.messages()
    assert [one.text for one in messages] == [f"in {n}" for n in range(1, 6)]
    assert {(one.chat, one.sender) for one in messages} == {(chat(CONTACT), chat(CONTACT))}
    items = await simulator.inbox(CONTACT)
    assert [item["text"] for item in items] == [f"out {n}" for n in range(1, 6)]
    assert {receipt.chat for receipt in await phone.receipts()} == {chat(CONTACT)}
    assert rows(tmp_path, "SELECT * FROM retries") == []


async def test_a_first_contact_by_lid(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.address(CONTACT, "lid")
        await simulator.say(CONTACT, ACCOUNT, "who is it")
        await has(phone, "who is it")
        await phone.send(1, "you?")
        await said(simulator, "you?")
        await idle(simulator)
        assert [one.chat for one in await phone.messages()] == [chat(CONTACT)]
    assert rows(tmp_path, "SELECT * FROM retries") == []


@pytest.mark.parametrize("notify", [True, False], ids=["notified", "not notified"])
@pytest.mark.parametrize("first", ["in", "out"])
async def test_a_contact_who_reinstalls_goes_on_both_ways(
    simulator: Simulator, phone: Device, tmp_path: Path, notify: bool, first: str
) -> None:
    """The new identity is believed and kept; what was sent before it was known comes by a resend."""

    def identities() -> set[str]:
        with closing(sqlite3.connect(tmp_path / DATABASE)) as file:
            found = file.execute("SELECT identity FROM whatsmeow_identity_keys").fetchall()
        return {identity.hex() for (identity,) in found}

    before = identities()
    await simulator.reinstall(CONTACT, notify=notify)
    if notify:
        await idle(simulator)
    for turn in (2, 3):
        if first == "out":
            await phone.send(turn, f"out {turn}")
            await said(simulator, f"out {turn}")
        await simulator.say(CONTACT, ACCOUNT, f"in {turn}")
        await has(phone, f"in {turn}")
        if first == "in":
            await phone.send(turn, f"out {turn}")
            await said(simulator, f"out {turn}")
    await idle(simulator)
    played = (await simulator.played())["devices"][0]
    identity = played["identity"][-64:]  # without the byte of its kind
    assert identity in identities() - before
    assert [one.text for one in await phone.messages()] == ["in 1", "in 2", "in 3"]


async def test_a_contact_who_forgot_asks_and_gets_it_under_its_id(
    simulator: Simulator, phone: Device, tmp_path: Path
) -> None:
    await simulator.forget(CONTACT)
    await phone.send(2, "out 2")
    await said(simulator, "out 2")
    await phone.send(3, "out 3")
    await said(simulator, "out 3")
    await idle(simulator)
    items = await simulator.inbox(CONTACT)
    assert [item["id"] for item in items] == [message_id(n) for n in (1, 2, 3)]
    assert phone.engine.counts["resend.resent"] == 1
    assert (await simulator.played())["retries"] == 1


async def test_a_contact_who_starts_a_session_anew_is_followed(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Messages of both sessions wait together, none is asked for, and the answer is on the new."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "out 1")
        await simulator.say(CONTACT, ACCOUNT, "in 1")
        await has(phone, "in 1")
        await idle(simulator)
    await simulator.say(CONTACT, ACCOUNT, "on the old one")
    await simulator.forget(CONTACT)
    await simulator.say(CONTACT, ACCOUNT, "on the new one")
    async with device(simulator, tmp_path, epoch=2) as phone:
        await has(phone, "on the new one")
        await has(phone, "on the old one")
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await phone.send(2, "out 2")
        await said(simulator, "out 2")
        await idle(simulator)
        assert phone.engine.counts["message.asked_for"] == 0
        assert phone.engine.counts["receipt.retry"] == 0


async def test_what_the_own_phone_sends_is_in_the_contacts_chat_once(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G5: outgoing, also when it comes again."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        duplicate = await simulator.fault("duplicate")
        await simulator.phone_says(CONTACT, "from the phone")
        await has(phone, "from the phone")
        await simulator.say(CONTACT, ACCOUNT, "answered")
        await has(phone, "answered")
        await idle(simulator)
        own, answer = await phone.messages()
        assert (own.chat, own.sender, own.from_me) == (chat(CONTACT), chat(ACCOUNT), True)
        assert (answer.chat, answer.sender, answer.from_me) == (chat(CONTACT), chat(CONTACT), False)
        assert [item["text"] for item in await simulator.inbox(CONTACT)] == ["from the phone"]
        assert await simulator.struck(duplicate) >= 1
        assert phone.engine.counts["message.repeated"] >= 1
        assert phone.engine.counts["message.asked_for"] == 0
        stored = incoming("shop", asdict(own), own.at)
        assert (stored["direction"], stored["status"], stored["chat"]) == (
            "out",
            "sent",
            chat(CONTACT),
        )
    await simulator.phone_says(CONTACT, "while away")
    async with device(simulator, tmp_path, epoch=2) as phone:
        await has(phone, "while away")
        await idle(simulator)
        away = (await phone.messages())[-1]
        assert (away.chat, away.from_me, away.source) == (chat(CONTACT), True, "offline")
