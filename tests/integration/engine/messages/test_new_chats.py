"""An account that may begin so many chats on a day, on each engine, and the time at which it was linked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.limits.account_limits import Limits
from actors.connection.limits.ack_errors import SendDeferred
from actors.runtime.limits.account_pace import next_day
from tests.integration.engine.simulated import (
    CONTACT,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = [f"1555010008{number}" for number in range(4)]


async def test_the_engine_begins_so_many_chats_and_its_owner_learns_why_the_next_waits(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Under the next process, too; chats that were begun, answers and groups go on."""
    told: list[Limits] = []

    async def tell(limits: Limits) -> None:
        told.append(limits)

    async with device(simulator, tmp_path) as phone:
        phone.engine._events.new_chats = lambda: 2
        phone.engine._events.on_limits = tell
        await pair(simulator, phone)
        await simulator.say(CONTACT, "15550100001", "hello")
        await until(phone.messages)
        linked_at = phone.engine.linked_at
        assert linked_at is not None
        for number in range(2):
            await phone.send(number, "first", PEOPLE[number])
        with pytest.raises(SendDeferred) as deferred:
            await phone.send(2, "never", PEOPLE[2])
        ends = next_day(time.time())
        assert (deferred.value.code, deferred.value.until) == ("new_chats_paced", ends)
        assert told[-1] == Limits(paced_until=ends)
        await phone.send(3, "a reply")
        await phone.send(4, "to all", await simulator.group(CONTACT, "15550100001"))
    async with device(simulator, tmp_path, epoch=2) as phone:
        phone.engine._events.new_chats = lambda: 2
        assert phone.engine.linked_at == linked_at
        await until(phone.opened.is_set)
        await phone.send(5, "second", PEOPLE[0])
        with pytest.raises(SendDeferred):
            await phone.send(6, "never", PEOPLE[2])
        # A person who answers leaves the place to another one.
        await simulator.say(PEOPLE[1], "15550100001", "who are you?")
        await until(lambda: phone.engine._session.outreach.wrote(chat(PEOPLE[1])))
        await phone.send(7, "first", PEOPLE[3])
    inboxes = [[each["text"] for each in await simulator.inbox(person)] for person in PEOPLE]
    assert inboxes == [["first", "second"], ["first"], [], ["first"]]


async def test_a_second_scan_makes_no_account_new(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        assert [phone.engine.linked_at] == [None]
        began = time.time()
        await pair(simulator, phone)
        linked_at = phone.engine.linked_at
        assert linked_at is not None
        assert began <= linked_at <= time.time()
        await phone.engine.logout()
        await until(lambda: phone.engine.account is None)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await pair(simulator, phone)
        assert phone.engine.linked_at == linked_at
