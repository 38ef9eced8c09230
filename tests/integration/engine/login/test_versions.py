"""The version of WhatsApp Web that the native engine announces: looked up before it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Kind
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
    """A login waits for the page for seconds at most, and then goes on without it."""
    await simulator.version(current=NEWER, oldest=None)
    fault = await simulator.fault(kind)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        announced = (await simulator.account(ACCOUNT))["version"]
    assert await simulator.struck(fault) >= 1
    assert announced.startswith("2.3000.")
    assert announced != NEWER
