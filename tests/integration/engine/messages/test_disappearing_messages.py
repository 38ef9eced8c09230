"""Chats whose messages disappear: each message bears the chat's timer, or stays on the others' phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendRequest
from actors.messages.content import Location
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400
OTHER = "15550100003"


async def arrived(simulator: Simulator, count: int) -> list[dict[str, Any]]:
    """Returns the messages that the contact got, once there are `count`."""

    async def there() -> bool:
        return len(await simulator.inbox(CONTACT)) == count

    await until(there)
    return await simulator.inbox(CONTACT)


@pytest.mark.parametrize("who", ["the contact", "the own phone"])
async def test_what_is_sent_bears_the_timer_of_the_chat(
    simulator: Simulator, tmp_path: Path, who: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        if who == "the contact":
            await simulator.says(CONTACT, ACCOUNT, type="timer", seconds=DAY)
            before = 0
        else:
            body = {"to": CONTACT, "type": "timer", "seconds": DAY}
            await simulator._call("POST", f"/phones/{ACCOUNT}/say", **body)
            before = 1
        await until(lambda: _answered(simulator))
        await phone.send(1, "gone tomorrow")
        place = Location(1.0, 2.0, "here")
        await phone.engine.send(SendRequest(message_id(2), chat(CONTACT), place))
        items = (await arrived(simulator, before + 2))[before:]
        assert [one["content"].get("expiration") for one in items] == [DAY, DAY]
        assert "expiration" not in (await simulator.account(ACCOUNT))["remarks"]


@pytest.mark.parametrize("how", ["a message", "the history"])
async def test_the_timer_of_an_older_chat_is_learnt(
    simulator: Simulator, tmp_path: Path, how: str
) -> None:
    """Its setting came before the device was linked: what comes after it bears the timer."""
    account = {"account": ACCOUNT, "seconds": DAY}
    await simulator._call("POST", f"/contacts/{CONTACT}/timer", **account)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        if how == "a message":
            await simulator.say(CONTACT, ACCOUNT, "gone tomorrow")
            await until(phone.messages)
        else:
            past = {"chat": CONTACT, "messages": [{"text": "long ago"}]}
            await simulator.history(type="initial_bootstrap", conversations=[past])
            await until(phone.past)
        await phone.send(1, "gone tomorrow too")
        (item,) = await arrived(simulator, 1)
        assert item["content"].get("expiration") == DAY


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_is_sent_to_a_group_bears_its_timer(
    simulator: Simulator, tmp_path: Path, when: str
) -> None:
    """It is in the group's node, and a notification tells of a change."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT, OTHER)
        if when == "after":
            await phone.send(1, "stays", to=group)
        await simulator._call("POST", f"/groups/{group}", seconds=DAY)
        await until(lambda: _answered(simulator))
        await phone.send(2, "gone tomorrow", to=group)
        items = await arrived(simulator, 2 if when == "after" else 1)
        assert items[-1]["content"].get("expiration") == DAY
        assert "expiration" not in (await simulator.account(ACCOUNT))["remarks"]


async def _answered(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
