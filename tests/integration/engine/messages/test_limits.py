"""The engine while WhatsApp limits its account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import SendRequest
from actors.connection.limits.account_limits import Limits
from actors.connection.limits.ack_errors import SendDeferred
from actors.messages.content import File, Image, Text
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = "15550100077"


async def limit(simulator: Simulator, phone: Device, **limits: float | None) -> None:
    """Limits the account at WhatsApp, or lifts that, and waits until the engine has learnt of it."""
    await simulator._call("POST", f"/accounts/{ACCOUNT}", **limits)
    limited = any(value is not None for value in limits.values())

    async def learnt() -> bool:
        known = phone.engine._session.outreach.limits()
        return limited is (known.locked_until is not None or known.capped_until is not None)

    await until(learnt)


async def test_strangers_get_nothing_while_the_account_is_locked_and_others_do(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Not even a file is uploaded. A contact who writes is answered, also by a device that logs in later."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, "15550100001", "hello")
        await until(phone.messages)
        await limit(simulator, phone, limited_until=int(time.time()) + 3600)
        ends = phone.engine._session.outreach.limits().locked_until
        with pytest.raises(SendDeferred) as deferred:
            await phone.send(1, "never", STRANGER)
        assert (deferred.value.code, deferred.value.until) == ("reach_out_limited", ends)
        picture = Image(File("0" * 64, 5, "image/png"))
        with pytest.raises(SendDeferred):
            await phone.engine.send(SendRequest(message_id(2), chat(STRANGER), picture))
        await phone.send(3, "a reply")
        group = await simulator.group(CONTACT, "15550100001")
        await phone.send(4, "to all", group)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(phone.opened.is_set)
        with pytest.raises(SendDeferred):
            await phone.send(1, "never", STRANGER)
        await simulator.say(STRANGER, "15550100001", "who are you?")
        await until(lambda: phone.engine._session.outreach.wrote(chat(STRANGER)))
        await phone.send(5, "the shop")
        await phone.send(6, "an answer", STRANGER)
        await limit(simulator, phone, limited_until=None)
        await phone.send(7, "hello", "15550100078")
    assert [each["text"] for each in await simulator.inbox(STRANGER)] == ["an answer"]


async def test_a_cap_rests_new_chats_alone(simulator: Simulator, tmp_path: Path) -> None:
    """No message meets the refusal: WhatsApp announced the cap."""
    announced: list[Limits] = []

    async def tell(limits: Limits) -> None:
        announced.append(limits)

    async with device(simulator, tmp_path) as phone:
        phone.engine._events.on_limits = tell
        await pair(simulator, phone)
        await simulator.say(CONTACT, "15550100001", "hello")
        await until(phone.messages)
        ends = int(time.time()) + 3600
        await limit(simulator, phone, chat_cap=0, cap_ends=ends)
        for number, person in enumerate((STRANGER, "15550100078")):
            with pytest.raises(SendDeferred) as deferred:
                await phone.engine.send(SendRequest(message_id(number), chat(person), Text("hi")))
            assert (deferred.value.code, deferred.value.until) == ("new_chats_capped", ends)

        async def learnt() -> bool:
            return announced[-1] == Limits(None, ends)

        await until(learnt)
        assert (await simulator.account(ACCOUNT))["refused"] == {}
        await phone.send(9, "a reply")


async def test_a_chat_that_the_account_began_goes_on_under_the_cap(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Begun here or on its phone, and by the next process too; its contacts never wrote."""
    other, ends = "15550100078", int(time.time()) + 3600
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator._call("POST", f"/accounts/{ACCOUNT}", chat_cap=2, cap_ends=ends)
        await phone.send(1, "hello")
        await simulator.phone_says(other, "from the phone")
        await until(phone.messages)
        await limit(simulator, phone, chat_cap=0, cap_ends=ends)
        await phone.send(2, "again")
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(phone.opened.is_set)
        await phone.send(3, "and again")
        await phone.send(4, "from here", other)
        with pytest.raises(SendDeferred):
            await phone.send(5, "never", STRANGER)
        assert (await simulator.account(ACCOUNT))["refused"] == {}
    said = [each["text"] for each in await simulator.inbox(CONTACT)]
    assert said == ["hello", "again", "and again"]
    assert [each["text"] for each in await simulator.inbox(other)][-1] == "from here"


async def test_news_of_a_limit_are_answered(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        far = 4_000_000_000
        await simulator._call("POST", f"/accounts/{ACCOUNT}", limited_until=far, chat_cap=3)

        async def answered() -> bool:
            return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

        await until(answered)
        assert await simulator.owed() == []
