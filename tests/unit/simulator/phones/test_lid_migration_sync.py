"""An account that migrates later: its phone tells its devices, which ask the server as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from simulator.control.api import application
from simulator.wire.proto_schema import LIDMigrationMappingSyncPayload
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


async def posted(world: ServerState, body: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        return await http.post(f"/accounts/{NUMBER}/migrate", json=body)


async def test_each_device_gets_the_lids(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    world.migrations.change(NUMBER, done=False)
    devices = [await paired(NUMBER), await paired(NUMBER)]
    answer = (await posted(world, {"contacts": [FRIEND, f"+{OTHER}"]})).json()
    assert answer["migrated"] is world.migrations.done(NUMBER) is True
    assert len(answer["told"]) == 2
    for device, message_id in zip(devices, answer["told"], strict=True):
        stanza = await device.next("message")
        assert (stanza.attrs["id"], stanza.attrs["category"]) == (message_id, "peer")
        assert stanza.attrs["from"] == JID(NUMBER)
        assert "recipient" not in stanza.attrs
        part = device.message_in(stanza).protocol_message
        assert part.type == 22
        payload = LIDMigrationMappingSyncPayload.FromString(
            part.lid_migration_mapping_sync_message.encoded_mapping_payload
        )
        assert [(str(one.pn), str(one.assigned_lid)) for one in payload.pn_to_lid_mappings] == [
            (number, world.people.named(number).lid) for number in (FRIEND, OTHER)
        ]
        props = await device.query("abt", "get", Node("props", {"protocol": "1"}))
        told = [one.attrs for one in props.get_child("props").get_children("prop")]
        assert {"config_code": "9435", "config_value": "1"} in told


async def test_a_request_that_makes_no_sense_changes_nothing(world: ServerState) -> None:
    world.migrations.change(NUMBER, done=False)
    for body, code in (
        ({"contacts": [1]}, "wrong_type"),
        ({"contacts": FRIEND}, "wrong_type"),
        ({"contacts": ["nobody"]}, "bad_number"),
    ):
        answer = await posted(world, body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not world.migrations.done(NUMBER)
