"""G5, G13: below a quarter of DISK_RESERVE nothing that arrives is stored or acknowledged; it comes later (both engines)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.protocol.receive.history import history_worker
from actors.runtime.limits import disk_floor
from tests.integration.engine.media.test_media_deferred import reserve
from tests.integration.engine.media.test_media_faults import message_of
from tests.integration.engine.messages.test_history import history_stored, long_talk
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    pair,
    until,
)
from tests.reserves import MORE_THAN_THERE_IS, beyond_the_free

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def waits_for_room(phone: Device) -> None:
    await until(lambda: [one for one in phone.causes if one.kind.value == "disk_full"])


async def test_messages_wait_at_whatsapp(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.0)
    reserve(simulator, tmp_path, beyond_the_free(tmp_path))
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "at the reserve")
        await until(phone.messages)
        await phone.settle_all()
        reserve(simulator, tmp_path, MORE_THAN_THERE_IS)
        said = await simulator.say(CONTACT, ACCOUNT, "below its quarter")
        await waits_for_room(phone)
        assert await phone.messages() == []
        assert (await simulator.account(ACCOUNT))["unacknowledged"] > 0
        reserve(simulator, tmp_path, 0)
        assert (await message_of(phone, said["id"])).text == "below its quarter"
        assert len(await phone.messages()) == 1


async def test_a_history_goes_on_where_it_was(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(history_worker, "COMMIT_MESSAGES", 10)
    async with device(simulator, tmp_path) as phone:

        async def fills() -> None:
            if len(await phone.past()) >= 10 and not phone.causes[1:]:
                reserve(simulator, tmp_path, MORE_THAN_THERE_IS)

        phone.engine._events.on_inbox = fills
        await pair(simulator, phone)
        await simulator.history(conversations=[long_talk(CONTACT, 50)])
        await waits_for_room(phone)
        # A look that had begun counts for one share more.
        assert len(await phone.past()) in {10, 20}
        reserve(simulator, tmp_path, 0)
        await history_stored(simulator, phone)
        assert [one.text for one in await phone.past()] == [f"{CONTACT} {n}" for n in range(50)]


async def test_settings_of_the_phone_come_later(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.0)
    async with device(simulator, tmp_path) as phone:

        async def archived() -> list[Any]:
            found = await phone.engine.pending("app_state", 1000)
            return [one for one in found if getattr(one, "setting", "") == "archived"]

        await pair(simulator, phone)
        await until(lambda: phone.engine.counts["app_state.noted"])
        reserve(simulator, tmp_path, MORE_THAN_THERE_IS)
        change = {"type": "archive", "chat": CONTACT}
        made = await simulator.control.post(f"/phones/{ACCOUNT}/app-state", json=change)
        made.raise_for_status()
        await waits_for_room(phone)
        assert await archived() == []
        reserve(simulator, tmp_path, 0)
        await until(archived)
        assert [(one.id, one.value) for one in await archived()] == [(chat(CONTACT), True)]
