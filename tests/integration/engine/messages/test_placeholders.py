"""Messages that come without their ciphertext: the account's phone has them."""

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


async def texts(phone: Device) -> list[str | None]:
    return [one.text for one in await phone.messages()]


async def asked(simulator: Simulator) -> int:
    """The number of the phone's answers."""
    return int((await simulator.account(ACCOUNT))["placeholder_resends"])


async def goes_on(simulator: Simulator, phone: Device) -> None:
    await simulator.say(CONTACT, ACCOUNT, "after")

    async def arrived() -> bool:
        return "after" in await texts(phone)

    await until(arrived)
    assert await simulator.owed() == []


@pytest.mark.parametrize("kind", ["plain", "view_once", "hosted"])
async def test_it_is_answered_and_holds_up_nothing(
    simulator: Simulator, tmp_path: Path, kind: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable=kind)
        await goes_on(simulator, phone)


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_the_phone_hands_it_over(simulator: Simulator, tmp_path: Path, mode: str) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable="plain", addressing=mode)
        await goes_on(simulator, phone)

        async def handed_over() -> bool:
            return "from an ad" in await texts(phone)

        await until(handed_over, 5)
        assert await asked(simulator) == 1
        found = [(one.text, one.chat, one.sender) for one in await phone.messages()]
        assert sorted(found) == [
            (text, chat(CONTACT), chat(CONTACT)) for text in ("after", "from an ad")
        ]
        await goes_on(simulator, phone)


async def test_it_replaces_a_placeholder_that_is_stored_already(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Its place in the order is the store's matter, which knows when the placeholder came."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        id_ = (await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable="plain"))["id"]
        await until(phone.messages)
        (placeholder,) = await phone.messages()
        assert (placeholder.message_id, placeholder.type) == (id_, "undecryptable")
        await phone.settle_all()
        await until(phone.messages, 10)
        (message,) = await phone.messages()
        assert (message.message_id, message.text, message.at) == (id_, "from an ad", placeholder.at)
        assert message.push_name == placeholder.push_name
        assert await simulator.owed() == []


@pytest.mark.parametrize("kind", ["view_once", "hosted"])
async def test_a_message_that_phones_keep_is_asked_for_on_demand(
    simulator: Simulator, tmp_path: Path, kind: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable=kind)
        await simulator.say(CONTACT, ACCOUNT, "and another", unavailable="plain")

        async def another() -> bool:
            return "and another" in await texts(phone)

        await until(another)
        assert await asked(simulator) == 1
        (placeholder,) = (one for one in await phone.messages() if one.text is None)
        key = placeholder.chat, placeholder.sender, placeholder.message_id
        await phone.engine.request_resend(*key)

        async def handed_over() -> bool:
            return "from an ad" in await texts(phone)

        await until(handed_over, 10)
        await phone.engine.request_resend(*key)
        assert await asked(simulator) == 2, "it is here already"


async def test_a_phone_that_has_nothing_is_asked_once(simulator: Simulator, tmp_path: Path) -> None:
    """The placeholder stays; asked again on demand, it may have it by then."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.resends(has=False)
        await simulator.say(CONTACT, ACCOUNT, "from an ad", unavailable="plain")

        async def answered() -> bool:
            return await asked(simulator) == 1

        await until(answered, 10)
        await goes_on(simulator, phone)
        assert phone.engine._session.placeholders.next_at() is None
        (placeholder,) = (one for one in await phone.messages() if one.text is None)
        await simulator.resends(has=True)
        await phone.engine.request_resend(
            placeholder.chat, placeholder.sender, placeholder.message_id
        )

        async def handed_over() -> bool:
            return "from an ad" in await texts(phone)

        await until(handed_over, 10)


async def test_a_request_needs_an_open_socket(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.request_resend(chat(CONTACT), chat(CONTACT), "A")


async def test_a_part_that_no_device_reads_keeps_nothing_from_the_rest(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Alone it is a placeholder; beside a readable one it is left out."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        for kind in ("unknown_enc", "extra_enc"):
            await simulator.fault(kind, contact=CONTACT)
        await goes_on(simulator, phone)
        found = [(one.type, one.text) for one in await phone.messages()]
        assert found == [("undecryptable", None), ("text", "readable"), ("text", "after")]
