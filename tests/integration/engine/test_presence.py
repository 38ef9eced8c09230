"""What passes at once: who is on WhatsApp, presence and typing, over the real protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import NotConnected, SendError
from tests.integration.engine.simulated import CONTACT, Simulator, chat, device, pair

if TYPE_CHECKING:
    from pathlib import Path


async def test_who_is_on_whatsapp(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.lookup(chat(CONTACT))
        await pair(simulator, phone)
        assert await phone.engine.lookup(chat(CONTACT)) == chat(CONTACT)
        with pytest.raises(SendError) as refused:
            await phone.engine.lookup("90000000000002@lid")
        assert refused.value.code == "unsupported_chat"


async def test_presence_and_typing_leave_the_connection_as_it_was(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.presence(available=True)
        await pair(simulator, phone)
        await phone.engine.presence(available=True)
        for state in ("composing", "recording", "paused"):
            await phone.engine.typing(chat(CONTACT), state)
        with pytest.raises(SendError):
            await phone.engine.typing(chat(CONTACT), "dancing")
        await phone.engine.presence(available=False)
        await phone.send(1, "still here")
