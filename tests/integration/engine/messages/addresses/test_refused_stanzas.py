"""Direct messages that WhatsApp refuses by 400: by the other kind of address, or after a new login."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import SendError
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OTHER = "15550100003"


@asynccontextmanager
async def unmigrated(simulator: Simulator, tmp_path: Path, *, tells: bool) -> AsyncIterator[Device]:
    """A device of an account whose LIDs the server refuses; its phone `tells` so, or not."""
    await simulator.control.post(
        f"/accounts/{ACCOUNT}", json={"migrated": False, "tells_migrated": tells}
    )
    await simulator.rules(ACCOUNT, unmigrated_lid=True)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        yield phone


async def refused(simulator: Simulator) -> int:
    return int((await simulator.account(ACCOUNT))["refused"].get("400", 0))


async def got(simulator: Simulator, *texts: str, contact: str = CONTACT) -> None:
    async def look() -> bool:
        return [one["text"] for one in await simulator.inbox(contact)] == list(texts)

    await until(look)


async def test_a_lid_that_is_refused_goes_by_number_which_is_remembered(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with unmigrated(simulator, tmp_path, tells=False) as phone:
        await phone.send(1, "once")
        assert await refused(simulator) == 1
        await phone.send(2, "again")
        await phone.send(3, "to another", to=OTHER)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(phone.opened.is_set)
        await phone.send(4, "by another process")
    await got(simulator, "once", "again", "by another process")
    assert await refused(simulator) == 1
    assert (await simulator.account(ACCOUNT))["sent_by_lid"] == 0


async def test_an_account_that_says_so_tries_no_lid(simulator: Simulator, tmp_path: Path) -> None:
    async with unmigrated(simulator, tmp_path, tells=True) as phone:
        await phone.send(1, "by number")
        await got(simulator, "by number")
    assert await refused(simulator) == 0


async def test_an_account_that_migrates_goes_by_lid(simulator: Simulator, tmp_path: Path) -> None:
    async with unmigrated(simulator, tmp_path, tells=True) as phone:
        await phone.send(1, "by number")
        await simulator.control.post(
            f"/accounts/{ACCOUNT}/migrate", json={"contacts": [CONTACT, OTHER]}
        )
        assert await simulator.owed() == []
        phone.causes.clear()
        await simulator.fault("drop")
        await until(lambda: phone.causes and phone.opened.is_set())
        await phone.send(2, "by LID")
        await got(simulator, "by number", "by LID")
        account = await simulator.account(ACCOUNT)
        assert (account["sent_by_pn"], account["sent_by_lid"]) == (1, 1)


async def test_an_account_whose_messages_are_all_refused_logs_in_anew(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "before")
        phone.causes.clear()
        fault = await simulator.fault("refuse_until_login")
        for number, to in ((2, CONTACT), (3, OTHER)):
            with pytest.raises(SendError) as refusal:
                await phone.send(number, "refused", to=to)
            assert (refusal.value.code, refusal.value.permanent) == ("refused_400", False)
        await until(lambda: phone.causes and phone.opened.is_set(), PATIENCE)
        assert phone.causes == [Cause(Kind.RESTART_REQUIRED, "refused_400")]
        assert await simulator.struck(fault) >= 2
        for number, to in ((2, CONTACT), (3, OTHER)):
            await phone.send(number, "refused", to=to)
        await got(simulator, "before", "refused")
        await got(simulator, "refused", contact=OTHER)


async def test_a_message_that_alone_is_refused_is_dead_and_costs_no_login(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        phone.causes.clear()
        for permanent in (False, True):
            await simulator.fault("error_acks", code=400, count=1)
            with pytest.raises(SendError) as refusal:
                await phone.send(1, "malformed")
            assert (refusal.value.code, refusal.value.permanent) == ("refused_400", permanent)
            await phone.send(2 + permanent, "well")
        assert phone.causes == []
