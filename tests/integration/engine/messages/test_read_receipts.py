"""Read receipts over the real protocol: contacts see which messages the account read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import NotConnected
from actors.messages.content import ReadMark, Target
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

OTHER = "15550100003"


async def said(simulator: Simulator, contact: str = CONTACT) -> dict[str, bool]:
    """Whether the contact knows of each text that it was read."""
    found = await simulator._call("GET", f"/contacts/{contact}/said")
    return {one["text"]: one["read"] for one in found["items"]}


async def arrive(phone: Device, count: int) -> None:
    async def look() -> bool:
        return len(await phone.messages()) == count

    await until(look)


async def mark(phone: Device, to: str, what: ReadMark) -> None:
    await phone.engine.mark_read(to, what, time.time())


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_what_arrived_in_a_chat_is_read_in_one_go(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    """Up to a time, from both addresses, and in no other chat; again, without harm."""
    await simulator.address(CONTACT, mode)
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await mark(phone, chat(CONTACT), ReadMark(arrived=time.time()))
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "in", count=300)
        await simulator.say(OTHER, ACCOUNT, "elsewhere")
        await arrive(phone, 301)
        before = ReadMark(arrived=time.time())
        await simulator.say(OTHER, ACCOUNT, "again elsewhere")
        await simulator.say(CONTACT, ACCOUNT, "later")
        await arrive(phone, 303)
        assert not any((await said(simulator)).values())
        for _ in range(2):
            await mark(phone, chat(CONTACT), before)

        async def read() -> bool:
            known = await said(simulator)
            return sum(known.values()) >= 300

        await until(read)
        await phone.send(1, "the stanzas before this one are dealt with")
        assert [text for text, read in (await said(simulator)).items() if not read] == ["later"]
        assert await said(simulator, OTHER) == {"elsewhere": False, "again elsewhere": False}
        newest = max(one.at for one in await phone.messages() if one.text == "later")
        await mark(phone, chat(CONTACT), ReadMark(until=newest))
        await until(lambda: is_read(simulator, "later"))


async def test_one_message_is_read_also_where_nothing_is_kept_of_it(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        for text in ("first", "second"):
            await simulator.say(CONTACT, ACCOUNT, text)
        await arrive(phone, 2)
        first, second = await phone.messages()
        session = phone.engine._session
        async with session.transaction():
            session.unread.read_elsewhere(chat(CONTACT), [second.message_id])
        for one in (first, second):
            target = Target(one.message_id, one.sender)
            await mark(phone, chat(CONTACT), ReadMark((target,)))
            await until(lambda: is_read(simulator, one.text))  # noqa: B023 - awaited at once


async def is_read(simulator: Simulator, text: str | None) -> bool:
    return (await said(simulator))[text or ""]


async def test_in_a_group_each_author_gets_a_receipt(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT, OTHER)
        for contact in (CONTACT, OTHER, CONTACT):
            await simulator.say(contact, group, f"of {contact}")
        await arrive(phone, 3)
        await mark(phone, group, ReadMark(arrived=time.time()))

        async def read() -> bool:
            known = [await said(simulator, contact) for contact in (CONTACT, OTHER)]
            return all(all(each.values()) for each in known)

        await until(read)
