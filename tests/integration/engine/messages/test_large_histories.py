"""A history of more than 32 MiB: its tokens are there for messages to people who demand one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


COUNT, PADDING = 3, 12 * 2**20


async def test_tokens_of_a_large_history_are_kept(simulator: Simulator, tmp_path: Path) -> None:
    await simulator._call("POST", "/phones", number=ACCOUNT)
    await simulator._call("POST", f"/accounts/{ACCOUNT}", salt_in_history=False)
    await simulator._call("POST", f"/phones/{ACCOUNT}/app-state", type="salt", remove=True)
    await simulator.contact(CONTACT, token_needed=True)
    await simulator._call("POST", f"/contacts/{CONTACT}/token", account=ACCOUNT)
    messages = [
        {"text": "long ago", "at": 1_764_000_000 + number, "padding": PADDING}
        for number in range(COUNT)
    ]
    await simulator._call(
        "POST",
        f"/phones/{ACCOUNT}/history",
        type="initial_bootstrap",
        when="pairing",
        conversations=[{"chat": CONTACT, "messages": messages}],
    )
    async with device(simulator, tmp_path / "phone") as phone:
        await pair(simulator, phone)

        async def stored() -> bool:
            return len(await phone.past()) == COUNT

        await until(stored)
        assert await simulator.owed() == []
        await phone.send(1, "with a token")
    assert (await simulator.account(ACCOUNT))["refused"] == {}
