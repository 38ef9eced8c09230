"""Receipts of messages that the account's phone sent are stored like those of messages sent here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.engine.messages.addresses.test_lid_merge import drained, listed
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    chat,
    counted,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Documents

COUNT = 10
TEXTS = [f"own {number}" for number in range(COUNT)]


pytestmark = pytest.mark.usefixtures("no_log_file")


async def become(
    documents: Documents, status: str, texts: list[str], address: str = chat(CONTACT)
) -> list[dict[str, Any]]:
    """The stored messages, once all of these texts have that status."""

    async def look() -> list[dict[str, Any]] | None:
        found = [one for one in await listed(documents) if one["text"] in texts]
        there = [one["text"] for one in found if one["status"] == status]
        return found if sorted(there) == sorted(texts) else None

    found: list[dict[str, Any]] = await until(look)
    assert {(one["direction"], one["chat"]) for one in found} == {("out", address)}
    return found


async def quiet(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


async def test_it_becomes_delivered_and_then_read(simulator: Simulator, tmp_path: Path) -> None:
    await simulator.contact(CONTACT, receipts="delivered")
    async with device(simulator, tmp_path) as phone, drained(phone, tmp_path) as documents:
        await pair(simulator, phone)
        await simulator.phone_says(CONTACT, "first")
        (first,) = await become(documents, "delivered", ["first"])
        assert first["delivered_at"] >= first["sent_at"]
        await simulator.contact(CONTACT, receipts="read")
        await simulator.phone_says(CONTACT, "second")
        (second,) = await become(documents, "read", ["second"])
        assert second["read_at"] >= second["delivered_at"] >= second["sent_at"]
        await phone.send(1, "from here")
        await simulator.say(CONTACT, ACCOUNT, "in")
        await until(lambda: quiet(simulator))
        assert phone.engine._session.inbox.pending("status", 10) == []
    assert counted(tmp_path, "SELECT count(*) FROM inbox WHERE kind IN ('early', 'status')") == 0


async def test_its_receipts_wait_for_a_copy_that_could_not_be_read_at_first(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone, drained(phone, tmp_path) as documents:
        await pair(simulator, phone)
        fault = await simulator.fault("garble", count=3)
        await simulator.phone_says(CONTACT, "late")
        (late,) = await become(documents, "read", ["late"])
        assert "delivered_at" in late, "it came before the copy could be read"
        assert await simulator.struck(fault) == 3


async def test_its_status_moves_with_it_to_the_number_of_a_lid(
    simulator: Simulator, tmp_path: Path
) -> None:
    lid = f"{(await simulator.played())['lid']}@lid"
    async with device(simulator, tmp_path) as phone, drained(phone, tmp_path) as documents:
        await pair(simulator, phone)
        concealed = await simulator.fault("conceal")
        await simulator.address(CONTACT, "lid")
        await simulator.phone_says(CONTACT, "by LID")
        before = await become(documents, "read", ["by LID"], lid)
        assert await simulator.struck(concealed) >= 1
        await simulator.heal()
        await simulator.say(CONTACT, ACCOUNT, "it is me")

        async def merged() -> bool:
            return await listed(documents, lid) == []

        await until(merged)
        (after,) = await become(documents, "read", ["by LID"])
        assert after == {**before[0], "id": after["id"], "chat": chat(CONTACT)}
