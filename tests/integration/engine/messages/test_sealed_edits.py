"""Edits that are sealed under the secret of the message that they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Edit, decode
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
    from pathlib import Path

    from actors.connection.engine import InboxMessage


async def arrived(phone: Device, id_: str) -> InboxMessage | None:
    return next((one for one in await phone.messages() if one.message_id == id_), None)


async def edited(simulator: Simulator, phone: Device, mode: str) -> str:
    """A contact's message that was changed under its secret; the id of the edit."""
    said = {"secret": True, "addressing": mode}
    first = await simulator.says(CONTACT, ACCOUNT, text="frist", **said)
    await until(lambda: arrived(phone, first))
    return await simulator.says(
        CONTACT,
        ACCOUNT,
        type="edit",
        target=first,
        text="first",
        encrypted=True,
        addressing=mode,
    )


async def test_it_is_answered(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await edited(simulator, phone, "pn")
        assert await simulator.owed() == []


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_it_changes_the_message(simulator: Simulator, tmp_path: Path, mode: str) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        id_ = await edited(simulator, phone, mode)
        await until(lambda: arrived(phone, id_), 5)
        message = await arrived(phone, id_)
        assert message is not None
        assert message.content is not None
        said = decode(message.content)
        assert isinstance(said, Edit)
        assert said.text == "first"


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_it_changes_a_message_that_comes_later(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    """The message came without its content, which the account's phone hands over."""
    said = {"secret": True, "unavailable": "plain", "addressing": mode}
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.resends(has=False)
        target = await simulator.says(CONTACT, ACCOUNT, text="frist", **said)
        change = {"type": "edit", "target": target, "text": "first", "encrypted": True}
        id_ = await simulator.says(CONTACT, ACCOUNT, addressing=mode, **change)
        early = await until(lambda: arrived(phone, id_), 5)
        assert early.type == "undecryptable"
        await simulator.resends(has=True)
        await phone.engine.request_resend(early.chat, early.sender, target)

        async def opened() -> InboxMessage | None:
            found = await arrived(phone, id_)
            return found if found is not None and found.content is not None else None

        edit = decode((await until(opened, 10)).content)
        assert isinstance(edit, Edit)
        assert (edit.text, edit.target.message_id) == ("first", target)
        assert await simulator.owed() == []
