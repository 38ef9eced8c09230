"""The version of WhatsApp Web that an engine announces: looked up before it is refused, and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.whatsapp_version import BUILT_IN
from tests.integration.engine.simulated import (
    ACCOUNT,
    PATIENCE,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

NEWER = "2.3000.1990000000"
NEWEST = "2.3000.1991000000"


async def shows_a_qr(phone: Device) -> None:
    """Waits for a QR; a connection that gave up is not waited for."""
    await until(lambda: not phone.qrs.empty() or phone.causes, PATIENCE)
    assert not [cause for cause in phone.causes if cause.kind is Kind.OUTDATED]


async def test_a_connection_pairs_with_a_version_that_it_looks_up(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The built-in version is older than what the server accepts."""
    await simulator.version(current=NEWER, oldest=NEWER)
    async with device(simulator, tmp_path) as phone:
        await shows_a_qr(phone)
        await pair(simulator, phone)
        assert (await simulator.account(ACCOUNT))["version"] == NEWER
    seen = await simulator.version()
    assert (seen["refused"], seen["page_requests"]) == (0, 1)


@pytest.mark.parametrize("kind", ["page_fails", "page_silent"])
async def test_the_known_version_is_used_while_the_page_is_away(
    simulator: Simulator, tmp_path: Path, kind: str
) -> None:
    """A login waits for the page for seconds at most, then goes on with the library's own version, which is accepted."""
    await simulator.version(current=NEWER)
    fault = await simulator.fault(kind)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        announced = (await simulator.account(ACCOUNT))["version"]
    assert await simulator.struck(fault) >= 1
    assert announced == BUILT_IN
    assert (await simulator.version())["refused"] == 0


async def test_a_version_that_is_refused_is_looked_up_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Within the day for which a version that was looked up serves."""
    await simulator.version(current=NEWER, oldest=NEWER)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.version(current=NEWEST, oldest=NEWEST)
        phone.causes.clear()
        await simulator.fault("drop")
        await until(lambda: len(phone.causes) >= 2 and phone.opened.is_set(), PATIENCE)
        assert Cause(Kind.RESTART_REQUIRED, "another_version") in phone.causes
        assert (await simulator.account(ACCOUNT))["version"] == NEWEST
    seen = await simulator.version()
    assert (seen["refused"], seen["page_requests"]) == (1, 2)
