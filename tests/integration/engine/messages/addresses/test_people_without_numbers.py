"""A person who has a LID and no number: in chats, receipts, groups, histories, calls, presence and the block list."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import SendRequest
from actors.messages.content import Reaction, ReadMark, Target, Text
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

HIDING = "15550100003"


@pytest.fixture
async def hidden(simulator: Simulator) -> str:
    """The person's address, which is all that WhatsApp tells of them."""
    await simulator.contact(HIDING, number_shown=False)
    return f"{(await simulator.played(HIDING))['lid']}@lid"


@pytest.fixture
async def phone(simulator: Simulator, hidden: str, tmp_path: Path) -> AsyncIterator[Device]:
    async with device(simulator, tmp_path / "phone") as made:
        await pair(simulator, made)
        yield made
        assert await simulator.owed() == []
        engine = cast("Any", made.engine)
        pairs = (await engine._programs.pipe.request("mappings")).header["pairs"]
        assert HIDING not in str(pairs), "the number came out after all"


async def inbox(simulator: Simulator, contact: str = HIDING) -> list[str]:
    return [one["text"] for one in await simulator.inbox(contact)]


async def message(phone: Device, text: str) -> Any:
    async def look() -> Any:
        return next((one for one in await phone.messages() if one.text == text), None)

    return await until(look)


async def test_a_chat_with_receipts_and_reads(
    simulator: Simulator, phone: Device, hidden: str
) -> None:
    await simulator.say(HIDING, ACCOUNT, "guess who")
    found = await message(phone, "guess who")
    assert (found.chat, found.sender) == (hidden, hidden)
    await phone.send(1, "who are you?", to=hidden)
    await phone.engine.send(
        SendRequest(message_id(2), hidden, Reaction(Target(found.message_id, hidden), "+"))
    )
    await until(lambda: inbox(simulator))

    async def read() -> bool:
        receipts = [one for one in await phone.receipts() if message_id(1) in one.message_ids]
        return {(one.chat, one.status) for one in receipts} == {
            (hidden, "delivered"),
            (hidden, "read"),
        }

    await until(read)
    await phone.engine.mark_read(hidden, ReadMark(arrived=time.time() + 60), time.time())

    async def is_read() -> bool:
        said = (await simulator._call("GET", f"/contacts/{HIDING}/said"))["items"]
        return [one["read"] for one in said] == [True]

    await until(is_read)


async def test_a_first_message_to_a_person_of_whom_nothing_came(
    simulator: Simulator, phone: Device, hidden: str
) -> None:
    await phone.send(1, "hello", to=hidden)
    assert await inbox(simulator) == ["hello"]


async def test_a_group_with_such_a_member(simulator: Simulator, phone: Device, hidden: str) -> None:
    group = await simulator.group(CONTACT, ACCOUNT, HIDING)
    await simulator.say(HIDING, group, "to all")
    found = await message(phone, "to all")
    assert (found.chat, found.sender) == (group, hidden)
    await phone.send(1, "hello, all", to=group)
    assert await inbox(simulator) == ["hello, all"]
    listed = await phone.engine.administration.groups.one(group)
    assert {one.address for one in listed.members} == {chat(ACCOUNT), chat(CONTACT), hidden}
    made = await phone.engine.administration.groups.create_group("Ours", [hidden])
    assert [one.outcome for one in made.participants] == ["done"]
    await phone.send(2, "in another one", to=made.chat)
    assert await inbox(simulator) == ["hello, all", "in another one"]


async def test_a_history_with_such_a_person(
    simulator: Simulator, phone: Device, hidden: str
) -> None:
    talk = [{"text": "long ago", "at": 1_764_000_000}]
    await simulator.history(conversations=[{"chat": HIDING, "messages": talk}])
    await until(phone.past)
    (past,) = await phone.past()
    assert (past.chat, past.sender) == (hidden, hidden)


async def test_presence_calls_and_the_block_list(
    simulator: Simulator, phone: Device, hidden: str
) -> None:
    await phone.engine.presence(available=True)
    await phone.engine.subscribe(hidden)
    await phone.engine.typing(hidden, "composing")
    await simulator._call("POST", f"/contacts/{HIDING}/typing", to=ACCOUNT, state="composing")

    async def types() -> bool:
        found = await asyncio.wait_for(phone.presences.get(), PATIENCE)
        assert (found.chat, found.who) == (hidden, hidden)
        return found.state == "composing"

    await until(types)
    await simulator._call("POST", f"/contacts/{HIDING}/call", to=ACCOUNT)
    rings = await asyncio.wait_for(phone.calls.get(), PATIENCE)
    assert (rings.caller, rings.state) == (hidden, "offered")
    await phone.engine.reject_call(rings.id)
    profiles = phone.engine.administration.profiles
    await profiles.block(hidden, blocked=True)
    assert await profiles.blocked() == [hidden]
    await profiles.block(hidden, blocked=False)
    assert await profiles.picture(hidden) is None
    await phone.engine.send(SendRequest(message_id(1), hidden, Text("bye")))
    assert await inbox(simulator) == ["bye"]
