"""Migration to LIDs: clients learn it at pairing and by a property of the experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.wire.proto_schema import ClientPairingProps
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, OTHER = "15550100001", "15550100003"


async def experiments(device: Device) -> dict[str, str]:
    """Each property's code and value, as whatsapp-rust asks for them (wacore/src/iq/props.rs)."""
    answer = await device.query("abt", "get", Node("props", {"protocol": "1"}))
    props = answer.get_child("props").get_children("prop")
    return {
        one.attrs["config_code"]: one.attrs["config_value"]
        for one in props
        if one.attrs["config_code"] == "9435"
    }


@pytest.mark.parametrize("migrated", [True, False])
async def test_a_client_learns_it_when_it_is_linked(
    world: ServerState, paired: Callable[[str], Awaitable[Device]], migrated: bool
) -> None:
    if not migrated:
        world.migrations.change(NUMBER, done=False)
    device = await paired(NUMBER)
    props = ClientPairingProps.FromString(device.client_props)
    assert props.is_chat_db_lid_migrated is migrated
    assert await experiments(device) == {"9435": str(int(migrated))}


async def test_an_older_phone_tells_nothing(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    world.properties.change(NUMBER, {"tells_migrated": False})
    assert (await paired(NUMBER)).client_props == b""


async def test_it_is_the_accounts_own(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device, other = await paired(NUMBER), await paired(OTHER)
    world.migrations.change(OTHER, done=False)
    assert await experiments(device) == {"9435": "1"}
    assert await experiments(other) == {"9435": "0"}
