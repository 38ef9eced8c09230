"""Addressing modes of groups and their members, where the server checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import GROUP_SERVER, JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    import httpx

    from simulator.server.groups.group import Group
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SERVERS = {"pn": PN_SERVER, "lid": LID_SERVER}


@pytest.mark.parametrize(("to", "code"), [("g.us", "400"), (JID("", GROUP_SERVER), None)])
async def test_queries_about_groups_go_to_a_jid(device: Device, to: Any, code: str | None) -> None:
    attrs = {"to": to, "xmlns": "w:g2", "type": "get", "id": "q"}
    await device.send(Node("iq", attrs, [Node("participating")]))
    answer = await device.next("iq")
    error = answer.get_child("error")
    assert (None if error is None else error.attrs["code"]) == code
    assert (answer.get_child("groups") is None) == (code is not None)


async def writes(device: Device, group: Group, mode: str, *, declared: bool) -> str | None:
    """The error by which a message with members addressed by `mode` is refused."""
    member = device.world.people.named(FRIEND).address(SERVERS[mode])
    enc = Node("enc", {"v": "2", "type": "msg"}, b"sealed")
    content = [
        Node("participants", {}, [] if declared else [Node("to", {"jid": member}, [enc])]),
        Node("enc", {"v": "2", "type": "skmsg"}, b"sealed"),
    ]
    attrs = {"to": group.address, "id": f"{mode}{declared}", "type": "text"}
    if declared:
        attrs["addressing_mode"] = mode
    await device.send(Node("message", attrs, content))
    error = (await device.next("ack")).attrs.get("error")
    return None if error is None else str(error)


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("first", ["pn", "lid"])
async def test_a_stale_addressing_mode_is_refused(
    device: Device, world: ServerState, http: httpx.AsyncClient, first: str, declared: bool
) -> None:
    other = "lid" if first == "pn" else "pn"
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], SERVERS[first])
    assert await writes(device, group, first, declared=declared) is None
    changed = await http.post(f"/groups/{group.id}", json={"addressing": other})
    assert changed.json()["addressing"] == other
    assert await writes(device, group, first, declared=declared) == "421"
    assert await writes(device, group, other, declared=declared) is None


@pytest.mark.parametrize("body", [{"addressing": "mail"}, {}, {"addressing": 1}])
async def test_an_addressing_that_there_is_not(http: httpx.AsyncClient, body: Any) -> None:
    made = await http.post("/groups", json={"subject": "Us", "creator": FRIEND})
    answer = await http.post(f"/groups/{made.json()['id']}", json=body)
    assert answer.status_code == 400
