"""Remarks on logins: what a client leaves out that WhatsApp Web sends; it is let in all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.proto_schema import DeviceProps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER = "15550100001"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


@pytest.mark.parametrize(
    ("flags", "user_agent", "remarks"),
    [
        ({"lc": 1, "lid_db_migrated": True}, None, {}),
        ({"lc": 7, "lid_db_migrated": False}, BROWSER, {}),
        ({"lid_db_migrated": True}, None, {"lc": 1}),
        ({"lc": 0, "lid_db_migrated": True}, None, {"lc": 1}),
        ({"lc": 1}, None, {"lid_db_migrated": 1}),
        ({"lc": 1, "lid_db_migrated": True}, "Python/3.11 websockets/15", {"user_agent": 1}),
        ({"lc": 1, "lid_db_migrated": True}, "Go-http-client/1.1", {"user_agent": 1}),
        ({}, "x", {"lc": 1, "lid_db_migrated": 1, "user_agent": 1}),
    ],
)
async def test_each_login_is_looked_at(
    world: ServerState,
    paired: Callable[[str], Awaitable[Device]],
    flags: dict[str, Any],
    user_agent: str | None,
    remarks: dict[str, int],
) -> None:
    device = await paired(NUMBER)
    assert world.remarks.of(NUMBER) == {}
    await device.close()
    device.login_flags, device.user_agent = flags, user_agent
    assert (await device.login()).tag == "success"
    assert world.remarks.of(NUMBER) == remarks
    await device.close()
    assert (await device.login()).tag == "success"
    assert world.remarks.of(NUMBER) == dict.fromkeys(remarks, 2)


async def test_the_first_login_may_count_from_zero(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    device.login_flags = {"lc": 0, "lid_db_migrated": False}
    await device.pair(NUMBER)
    assert world.remarks.of(NUMBER) == {}


@pytest.mark.parametrize("props", [b"", b"\x0a\x01x"])
async def test_a_registration_without_its_wishes_for_the_history(
    world: ServerState, new_device: Callable[[], Device], props: bytes
) -> None:
    device = new_device()
    device.device_props = props
    await device.pair(NUMBER)
    assert world.remarks.of(NUMBER) == {"history_sync_config": 1}


@pytest.mark.parametrize(
    ("name", "remarks"),
    [("whatsmeow", {"library_name": 1}), ("rust", {"library_name": 1}), ("Chrome", {})],
)
async def test_a_registration_under_the_name_of_a_library(
    world: ServerState, new_device: Callable[[], Device], name: str, remarks: dict[str, int]
) -> None:
    device = new_device()
    device.device_props = DeviceProps(os=name, history_sync_config=b"").SerializeToString()
    await device.pair(NUMBER)
    assert world.remarks.of(NUMBER) == remarks


async def test_nobody_is_remarked_on_whom_no_phone_links(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    device.device_props = b""
    await device.register()
    assert world.remarks.of(NUMBER) == {}
