"""A device that is linked by a code, on the simulator's phone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.connection import pairing_window
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, SendError
from tests.integration.engine.simulated import ACCOUNT, CONTACT, PATIENCE, chat, device, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.engine.simulated import Simulator


async def types(simulator: Simulator, code: str) -> None:
    await simulator._call("POST", "/phones", number=ACCOUNT)
    await simulator._call("POST", f"/phones/{ACCOUNT}/link-code", code=code)


async def test_late_codes_get_a_socket_with_all_of_its_time(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing_window, "CODE_TIME_SHARE", 2.0)  # every socket counts as an old one
    async with device(simulator, tmp_path) as made:
        first = await asyncio.wait_for(made.qrs.get(), PATIENCE)
        code = await made.engine.pairing_code(chat(ACCOUNT))
        assert made.causes == [Cause(Kind.RESTART_REQUIRED, "code_asked")]
        second = await asyncio.wait_for(made.qrs.get(), PATIENCE)
        assert second.text != first.text
        await types(simulator, code.text)
        await asyncio.wait_for(made.opened.wait(), PATIENCE)
        assert made.paired == chat(ACCOUNT)
        await simulator.say(CONTACT, ACCOUNT, "welcome")
        await until(lambda: made.news)
        with pytest.raises(SendError, match="already_linked"):
            await made.engine.pairing_code(chat(ACCOUNT))


async def test_without_whatsapp_there_is_no_code(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing_window, "CODE_SOCKET_TIMEOUT", 0.2)
    async with device(simulator, tmp_path) as made:
        await asyncio.wait_for(made.qrs.get(), PATIENCE)
        simulator.process.kill()
        await until(lambda: made.causes)
        with pytest.raises(NotConnected):
            await made.engine.pairing_code(chat(ACCOUNT))
