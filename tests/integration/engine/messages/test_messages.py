"""The engine against the simulator: pair, send, receive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import NotConnected, SendError, SendRequest
from actors.messages.content import Text
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


async def test_pair_send_receive_and_come_back(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        assert phone.paired == phone.engine.account == chat(ACCOUNT)
        assert [str(cause) for cause in phone.causes] == ["restart_required: stream_error_515"]
        account = await simulator.account(ACCOUNT)
        assert account["online"]
        assert account["prekeys"] > 100

        at = await phone.send(1, "hi")
        assert at > 1_700_000_000
        (item,) = await until(lambda: simulator.inbox(CONTACT))
        assert (item["text"], item["id"], item["deliveries"]) == ("hi", message_id(1), 1)
        receipt = (await until(phone.receipts))[0]
        assert (receipt.chat, receipt.message_ids) == (chat(CONTACT), (message_id(1),))

        await simulator.say(CONTACT, ACCOUNT, "hello")
        (message,) = await until(phone.messages)
        assert (message.text, message.type) == ("hello", "text")
        assert (message.chat, message.sender) == (chat(CONTACT), chat(CONTACT))
        assert not message.from_me
        await until(lambda: _unacknowledged(simulator, 0))
        await phone.settle_all()

    await simulator.say(CONTACT, ACCOUNT, "while away")
    async with device(simulator, tmp_path, epoch=2) as phone:
        (message,) = await until(phone.messages)
        assert (message.text, message.source) == ("while away", "offline")
        await asyncio.wait_for(phone.opened.wait(), 10)
        await phone.send(2, "still here")
        await until(lambda: _inbox(simulator, ["hi", "still here"]))
        assert phone.qrs.empty()


async def test_order_within_a_chat_and_many_chats_at_once(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G4: messages to one chat leave in the order of the calls."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        contacts = [f"155501000{n:02}" for n in range(10, 15)]
        texts = [f"{n}" for n in range(12)]
        await asyncio.gather(
            *(
                phone.send(n, text, to=contact, space=int(contact[-2:]))
                for n, text in enumerate(texts)
                for contact in contacts
            )
        )
        for contact in contacts:
            items = await simulator.inbox(contact)
            assert [item["text"] for item in items] == texts
            assert {item["deliveries"] for item in items} == {1}


async def test_what_cannot_be_sent(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.send(1, "too early")
        await pair(simulator, phone)
        with pytest.raises(SendError, match="unsupported_chat") as refused:
            await phone.engine.send(SendRequest("3EB0", "1@newsletter", Text("channel")))
        assert refused.value.permanent
        with pytest.raises(SendError, match="too_large") as refused:
            await phone.send(1, "x" * 600_000)
        assert refused.value.permanent


async def test_a_number_that_is_not_on_whatsapp(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.contact(CONTACT, registered=False)
        with pytest.raises(SendError, match="not_on_whatsapp") as refused:
            await phone.send(1, "nobody there")
        assert refused.value.permanent


async def _unacknowledged(simulator: Simulator, count: int) -> bool:
    waiting = (await simulator.account(ACCOUNT))["unacknowledged"]
    return (waiting if isinstance(waiting, int) else len(waiting)) == count


async def _inbox(simulator: Simulator, texts: list[str]) -> bool:
    return [item["text"] for item in await simulator.inbox(CONTACT)] == texts
