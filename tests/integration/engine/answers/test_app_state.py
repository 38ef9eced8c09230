"""App state, which the native engine does not read: all of it is acknowledged, and disturbs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = f"/phones/{ACCOUNT}/app-state"
CHANGES: tuple[dict[str, Any], ...] = (
    {"type": "contact", "chat": CONTACT, "name": "Ana Lima"},
    {"type": "mute", "chat": CONTACT},
    {"type": "pin", "chat": CONTACT},
    {"type": "archive", "chat": CONTACT},
    {"type": "read", "chat": CONTACT},
    {"type": "star", "chat": CONTACT, "message": "3EB0000000000000000000"},
    {"type": "push_name", "name": "Shop"},
)


async def texts(phone: Device) -> list[str | None]:
    return [one.text for one in await phone.messages()]


async def test_settings_disturb_nobody(simulator: Simulator, tmp_path: Path) -> None:
    """Keys at pairing and later, and a notification of each change, between messages."""
    expected = [f"text {number}" for number in range(len(CHANGES))]
    with capture_logs() as logs:
        async with device(simulator, tmp_path) as phone:
            await pair(simulator, phone)
            for text, change in zip(expected, CHANGES, strict=True):
                (await simulator.control.post(SETTINGS, json=change)).raise_for_status()
                await simulator.say(CONTACT, ACCOUNT, text)
            (await simulator.control.post(f"{SETTINGS}/keys")).raise_for_status()
            await until(lambda: has_all(phone, expected))
            await phone.send(1, "heard it all")
            assert await simulator.owed() == []
            assert await texts(phone) == expected
    assert [one for one in logs if one["log_level"] in ("warning", "error", "critical")] == []
    found = (await simulator.control.get(SETTINGS)).json()
    assert len(found["keys"]) == 2
    assert found["keys_requested"] == 0
    assert sum(found["collections"].values()) == len(CHANGES) + 2  # name and salt at pairing


async def has_all(phone: Device, expected: list[str]) -> bool:
    return len(await texts(phone)) >= len(expected)
