"""Several devices, several owners, and Signal sessions that broke."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import NotConnected
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session, StaleEpoch
from actors.connection.whatsmeow.delivery_handler import MAX_RETRIES
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
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path


async def test_another_device_of_the_account_gets_a_copy(
    simulator: Simulator, tmp_path: Path
) -> None:
    """A device that was paired meanwhile is reached by the message that reveals it."""
    async with device(simulator, tmp_path / "first") as first:
        await pair(simulator, first)
        await first.send(1, "before")
        async with device(simulator, tmp_path / "second") as second:
            await pair(simulator, second)
            await first.send(2, "after")
            (copy,) = await until(second.messages)
            assert (copy.text, copy.message_id, copy.from_me) == ("after", message_id(2), True)
            assert (copy.chat, copy.sender) == (chat(CONTACT), chat(ACCOUNT))
            await second.send(3, "from the second")
            (copy,) = await until(first.messages)
            assert (copy.text, copy.chat, copy.from_me) == ("from the second", chat(CONTACT), True)
            await simulator.say(CONTACT, ACCOUNT, "to both")
            await until(lambda: _has(first, "to both"))
            await until(lambda: _has(second, "to both"))
        texts = [item["text"] for item in await simulator.inbox(CONTACT)]
        assert texts == ["before", "after", "from the second"]


async def test_an_owner_whose_epoch_is_over_sends_nothing_more(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G6: neither an acknowledgement nor a message leaves once a newer owner took the file."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        await phone.send(1, "mine")
        successor = Session.open(tmp_path / SESSION_FILE, 2)
        try:
            with pytest.raises(NotConnected):
                await phone.send(2, "not mine any more")
            cause = await until(lambda: phone.causes[1:] and phone.causes[-1])
            assert (cause.kind, cause.detail) == (Kind.REPLACED, "stale_epoch")
            await simulator.say(CONTACT, ACCOUNT, "for the successor")
            assert (await phone.engine.run()).kind is Kind.REPLACED
            assert successor.inbox.pending("message", 10_000) == await phone.messages()
        finally:
            successor.close()
        with pytest.raises(StaleEpoch):
            Session.open(tmp_path / SESSION_FILE, 1)
    assert (await simulator.account(ACCOUNT))["unacknowledged"] >= 1
    assert [item["text"] for item in await simulator.inbox(CONTACT)] == ["mine"]
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(lambda: _has(phone, "for the successor"))


async def _answered(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


async def test_what_arrives_at_a_stale_owner_is_left_to_its_successor(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G6: the message is refused by the session, so it is not acknowledged."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        await eventually("all of the login is answered", lambda: _answered(simulator), 10)
        Session.open(tmp_path / SESSION_FILE, 2).close()
        await simulator.say(CONTACT, ACCOUNT, "for the successor")
        cause = await until(lambda: phone.causes[1:] and phone.causes[-1])
        assert cause.kind is Kind.REPLACED
        assert await phone.messages() == []
    assert (await simulator.account(ACCOUNT))["unacknowledged"] == 1


async def test_a_stale_owner_settles_nothing_and_ends(simulator: Simulator, tmp_path: Path) -> None:
    """G6: the drain of its inbox learns that the lease is lost, and only after `run` returned the cause."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "stored by the successor")
        await until(phone.messages)
        with closing(Session.open(tmp_path / SESSION_FILE, 2)) as successor:
            phone.causes.clear()
            with pytest.raises(StaleEpoch):
                await asyncio.wait_for(phone.settle_all(), 5)
            assert [str(cause) for cause in phone.causes] == ["replaced: stale_epoch"]
            assert [one.text for one in successor.inbox.pending("message", 10)] == [
                "stored by the successor"
            ]
            assert str(await phone.engine.run()) == "replaced: stale_epoch"
            with pytest.raises(StaleEpoch):
                await asyncio.wait_for(phone.settle_all(), 5)


async def test_a_message_that_never_decrypts_leaves_a_placeholder(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "before")
        await until(lambda: _has(phone, "before"))
        fault = await simulator.fault("garble", count=MAX_RETRIES + 1)
        await simulator.say(CONTACT, ACCOUNT, "never")
        await until(lambda: _has(phone, None))
        assert await simulator.struck(fault) == MAX_RETRIES + 1
        await simulator.say(CONTACT, ACCOUNT, "after")
        await until(lambda: _has(phone, "after"))
        assert [one.type for one in await phone.messages()] == ["text", "undecryptable", "text"]
        await until(lambda: _idle(simulator))


async def test_logout_unlinks_and_forgets(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        await phone.engine.logout()
        cause = await until(lambda: phone.causes[1:] and phone.causes[-1])
        assert cause.kind is Kind.LOGGED_OUT
        assert phone.engine.account is None
        assert (await simulator.account(ACCOUNT))["devices"] == []
    async with device(simulator, tmp_path, epoch=2) as phone:
        await pair(simulator, phone)
        await phone.send(1, "paired anew")


async def _has(phone: Device, text: str | None) -> bool:
    return text in [one.text for one in await phone.messages()]


async def _arrived(simulator: Simulator, text: str) -> bool:
    return text in [item["text"] for item in await simulator.inbox(CONTACT)]


async def _idle(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
