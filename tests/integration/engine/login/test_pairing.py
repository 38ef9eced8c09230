"""Pairing by QR where the phone, or the server, asks for more than a QR's keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.engine.simulated import ACCOUNT, PATIENCE, Simulator, device, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("demand", "refusal", "kind"),
    [
        ("refresh", "secret_retired", "pairing_refresh_unsupported"),
        ("passkey", "passkey_required", "passkey_required"),
    ],
)
async def test_a_demand_that_it_cannot_meet_ends_the_pairing(
    simulator: Simulator, tmp_path: Path, demand: str, refusal: str, kind: str
) -> None:
    """The scan never completes; the cause names the reason, and the other engine pairs."""
    await simulator.linking(demand)
    async with device(simulator, tmp_path, reconnect=False) as phone:
        qr = await asyncio.wait_for(phone.qrs.get(), PATIENCE)
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await simulator.scan(ACCOUNT, qr.text)
        assert refused.value.response.json()["code"] == refusal
        (cause,) = await until(lambda: phone.causes, 5)
        assert cause.kind == kind
        assert phone.engine.account is None
