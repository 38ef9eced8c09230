"""Pairing by QR where the phone, or the server, asks for more than a QR's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.simulated import ACCOUNT, Simulator, device, pair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.xfail(
    strict=True, reason="the phone refuses the QR (400 bad_qr): it has four fields, no client type"
)
async def test_the_qr_names_the_type_of_the_client(simulator: Simulator, tmp_path: Path) -> None:
    await simulator.rules(qr_client_type=True)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone, ACCOUNT)
