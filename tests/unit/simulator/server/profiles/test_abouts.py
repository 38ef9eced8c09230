"""The text of an account's status, as its clients set it, and of a contact's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
MUTATION = "9152604461510864"


def mutation(**given: Any) -> Any:
    content = json.dumps({"variables": {"input": given}}).encode()
    return Node("query", {"query_id": MUTATION}, content)


async def test_a_client_sets_the_status(world: ServerState, device: Device) -> None:
    await device.query("status", "set", Node("status", {}, "at wörk".encode()))
    assert world.profiles.abouts.of(NUMBER) == "at wörk"
    answer = await device.query("w:mex", "get", mutation(text="away", ephemeral_duration_sec=0))
    assert json.loads(answer.get_child("result").content)["data"]
    assert world.profiles.abouts.of(NUMBER) == "away"
    await device.query("w:mex", "get", mutation(text=None))
    assert world.profiles.abouts.of(NUMBER) == ""


@pytest.mark.parametrize(
    ("space", "content", "code"),
    [
        ("status", Node("status", {}, b"x" * 140), "406"),
        ("status", Node("status", {}, b"\xff"), "400"),
        ("w:mex", mutation(text=1), "400"),
        ("w:mex", Node("query", {"query_id": MUTATION}, b"{}"), "400"),
    ],
)
async def test_a_status_that_is_refused(
    world: ServerState, device: Device, space: str, content: Any, code: str
) -> None:
    answer = await device.query(space, "set", content)
    assert answer.get_child("error").attrs["code"] == code
    assert world.profiles.abouts.of(NUMBER) == ""


async def test_devices_hear_of_a_contacts_status(
    world: ServerState, device: Device, http: httpx.AsyncClient
) -> None:
    with world.store.transaction():
        world.contact_behaviour.say(FRIEND, NUMBER, "hello")
    await http.post(f"/contacts/{FRIEND}/profile", json={"about": "at the beach"})
    stanza = await device.next("notification")
    assert (stanza.attrs["type"], stanza.get_child("set").content) == ("status", b"at the beach")
    assert (await http.get(f"/contacts/{FRIEND}/profile")).json()["about"] == "at the beach"
