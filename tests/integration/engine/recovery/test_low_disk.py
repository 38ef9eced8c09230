"""G5, G13: below a quarter of DISK_RESERVE no message that arrives is acknowledged; it comes later (both engines)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits import disk_floor
from tests.integration.engine.media.test_media_deferred import ENGINES, reserve
from tests.integration.engine.media.test_media_faults import message_of
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, device, pair, until
from tests.reserves import MORE_THAN_THERE_IS, beyond_the_free

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ENGINES)
async def test_messages_wait_at_whatsapp(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(disk_floor, "EVERY", 0.0)
    reserve(simulator, tmp_path, beyond_the_free(tmp_path))
    async with device(simulator, tmp_path, kind=kind) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "at the reserve")
        await until(phone.messages)
        await phone.settle_all()
        reserve(simulator, tmp_path, MORE_THAN_THERE_IS)
        said = await simulator.say(CONTACT, ACCOUNT, "below its quarter")
        await until(lambda: [one for one in phone.causes if one.kind.value == "disk_full"])
        assert await phone.messages() == []
        assert (await simulator.account(ACCOUNT))["unacknowledged"] > 0
        reserve(simulator, tmp_path, 0)
        assert (await message_of(phone, said["id"])).text == "below its quarter"
        assert len(await phone.messages()) == 1
