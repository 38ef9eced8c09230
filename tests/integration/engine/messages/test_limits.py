"""Limits of an account: what WhatsApp refuses for them is refused for good, and tried once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import SendError
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

OTHER = "15550100003"
FAR = 4_000_000_000


@pytest.mark.xfail(
    strict=True, reason="the refusal counts as one that may pass, and is tried again"
)
@pytest.mark.parametrize(
    ("limit", "code"),
    [({"limited_until": FAR}, "463"), ({"chat_cap": 0}, "475")],
    ids=["locked", "capped"],
)
async def test_a_limit_refuses_a_new_chat_for_good(
    simulator: Simulator, tmp_path: Path, limit: dict[str, int], code: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "an older chat")
        await simulator._call("POST", f"/accounts/{ACCOUNT}", **limit)
        await phone.send(2, "goes on")
        with pytest.raises(SendError) as refused:
            await phone.send(3, "a new chat", to=OTHER)
        assert not refused.value.uncertain
        assert (await simulator.account(ACCOUNT))["refused"] == {code: 1}
        assert [one["text"] for one in await simulator.inbox(CONTACT)] == [
            "an older chat",
            "goes on",
        ]
        assert refused.value.permanent


async def test_news_of_a_limit_are_answered(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator._call("POST", f"/accounts/{ACCOUNT}", limited_until=FAR, chat_cap=3)
        await until(lambda: _answered(simulator))
        assert await simulator.owed() == []


async def _answered(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)
