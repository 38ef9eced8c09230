"""Receipts of a group's members: each by itself, aggregated by type, or aggregated by message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.groups.member_receipts import MemberReceipt
from simulator.server.rules.properties import GROUP_PROPERTIES
from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server.groups.group import Group
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


@pytest.fixture(params=[PN_SERVER, LID_SERVER])
def group(request: pytest.FixtureRequest, world: ServerState) -> Group:
    """A group of the account with two others, of whom one does not show what it has read."""
    world.people.change(FRIEND, {"delivered_after": 0.0, "read_after": 0.0})
    world.people.change(OTHER, {"receipts": "delivered", "delivered_after": 0.0})
    with world.store.transaction():
        return world.groups.make("Us", FRIEND, [NUMBER, OTHER], request.param)


def confirm(world: ServerState, group: Group, shape: str, message_id: str = "M1") -> None:
    """All members' devices confirm a message of the account."""
    world.properties.change(group.chat, {"receipts": shape}, GROUP_PROPERTIES)
    endpoints = [one for number in group.members for one in world.endpoints.of(number).values()]
    with world.store.transaction():
        world.group_receipts.confirm(endpoints, NUMBER, message_id, group)


def users(receipt: Any) -> list[tuple[Any, str | None]]:
    """Returns the members of an aggregated receipt with their types, and checks their times."""
    listed = receipt.get_child("participants").get_children("user")
    assert all(abs(int(one.attrs["t"]) - time.time()) < 30 for one in listed)
    return [(one.attrs["jid"], one.attrs.get("type")) for one in listed]


async def settled(device: Device, count: int) -> list[Any]:
    """Returns the next receipts, which the device acknowledges; the queue has no more of them."""
    receipts = [await device.next("receipt") for _ in range(count)]
    for one in receipts:
        attrs = {"class": "receipt", "id": one.attrs["id"], "to": one.attrs["from"]}
        repeated = {name: one.attrs[name] for name in ("type", "participant") if name in one.attrs}
        await device.send(Node("ack", attrs | repeated))
    await device.query("w:p", "get")
    assert "receipt" not in device.world.queue.counts((NUMBER, device.device))
    return receipts


async def test_each_member_has_a_receipt_at_first(
    device: Device, world: ServerState, group: Group
) -> None:
    confirm(world, group, world.properties.described(group.chat, GROUP_PROPERTIES)["receipts"])
    friend, other = (world.people.named(one).address(group.server) for one in (FRIEND, OTHER))
    receipts = await settled(device, 3)
    shown = [(one.attrs["participant"], one.attrs.get("type")) for one in receipts]
    assert shown == [(friend, None), (friend, "read"), (other, None)]
    assert {(one.attrs["id"], one.content) for one in receipts} == {("M1", None)}


async def test_members_share_a_receipt_of_their_type(
    device: Device, world: ServerState, group: Group
) -> None:
    confirm(world, group, "by_type")
    friend, other = (world.people.named(one).address(group.server) for one in (FRIEND, OTHER))
    delivered, read = await settled(device, 2)
    assert ("type" in delivered.attrs, read.attrs["type"]) == (False, "read")
    for receipt in (delivered, read):
        assert receipt.attrs["from"] == group.address
        assert "participant" not in receipt.attrs
        assert receipt.get_child("participants").attrs == {"key": "M1"}
    assert users(delivered) == [(friend, None), (other, None)]
    assert users(read) == [(friend, None)]
    assert len({"M1", delivered.attrs["id"], read.attrs["id"]}) == 3


async def test_members_share_a_receipt_of_a_message(
    device: Device, world: ServerState, group: Group
) -> None:
    confirm(world, group, "by_message")
    friend, other = (world.people.named(one).address(group.server) for one in (FRIEND, OTHER))
    (receipt,) = await settled(device, 1)
    assert receipt.attrs.keys() == {"from", "id", "t"}
    assert receipt.attrs["id"] != "M1"
    assert receipt.get_child("participants").attrs == {"message_id": "M1"}
    assert users(receipt) == [(friend, "read"), (other, "delivery")]


async def test_an_aggregated_receipt_waits_for_its_slowest_member(
    device: Device, world: ServerState, group: Group
) -> None:
    world.people.change(OTHER, {"delivered_after": 0.5})
    began = time.monotonic()
    confirm(world, group, "by_type")
    read, delivered = await settled(device, 2)
    assert time.monotonic() - began >= 0.45
    assert (read.attrs["type"], len(users(delivered))) == ("read", 2)


async def test_a_linked_device_confirms_by_an_aggregated_receipt(
    device: Device,
    world: ServerState,
    group: Group,
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    reader = await paired(OTHER)
    world.properties.change(group.chat, {"receipts": "by_message"}, GROUP_PROPERTIES)
    author = world.people.named(NUMBER).address(group.server, device.device)
    attrs = {"to": group.address, "participant": author, "type": "read"}
    await reader.send(Node("receipt", {"id": "M1", **attrs}))
    (receipt,) = await settled(device, 1)
    member = world.people.named(OTHER).address(group.server, reader.device)
    assert users(receipt) == [(member, "read")]


async def test_nobody_confirms_without_a_stanza(
    device: Device, world: ServerState, group: Group
) -> None:
    for shape in ("each", "by_type", "by_message"):
        world.properties.change(group.chat, {"receipts": shape}, GROUP_PROPERTIES)
        with world.store.transaction():
            world.group_receipts.confirm([], NUMBER, "M1", group)
    await device.query("w:p", "get")
    assert "receipt" not in world.queue.counts((NUMBER, device.device))


async def test_an_inactive_receipt_keeps_its_type(
    device: Device, world: ServerState, group: Group
) -> None:
    world.properties.change(group.chat, {"receipts": "by_message"}, GROUP_PROPERTIES)
    with world.store.transaction():
        one = MemberReceipt(JID(FRIEND), "inactive")
        world.group_receipts.send(NUMBER, "M1", group.address, [one])
    (receipt,) = await settled(device, 1)
    assert users(receipt) == [(JID(FRIEND), "inactive")]


async def test_the_control_api_aggregates_the_receipts_of_one_group(
    http: httpx.AsyncClient, world: ServerState, group: Group
) -> None:
    with world.store.transaction():
        another = world.groups.make("We", FRIEND, [NUMBER], LID_SERVER)
    for shape in ("by_type", "by_message", "each"):
        answer = await http.post(f"/groups/{group.chat}", json={"receipts": shape})
        assert answer.json()["receipts"] == shape
        assert (await http.get(f"/groups/{group.chat}")).json()["receipts"] == shape
        assert (await http.get(f"/groups/{another.chat}")).json()["receipts"] == "each"
    made = {"subject": "Us", "creator": FRIEND, "participants": [NUMBER]}
    answer = await http.post("/groups", json={**made, "receipts": "by_type"})
    assert answer.json()["receipts"] == "by_type"
    for path, body in ((f"/groups/{group.chat}", {}), ("/groups", made)):
        answer = await http.post(path, json={**body, "receipts": "some"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_property")
    assert len(world.groups.of(NUMBER)) == 3, "a refused request makes no group"


async def test_a_person_requests_any_message_again(
    group: Group, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    """Without keys for a new session at first; every later request has them."""
    device = await paired(NUMBER)
    for keys in (False, True):
        with world.store.transaction():
            world.group_messages.request_again(FRIEND, NUMBER, "NEVER SENT", group, keys=False)
        receipt = await device.next("receipt")
        assert (receipt.attrs["type"], receipt.attrs["from"]) == ("retry", group.address)
        assert receipt.attrs["participant"] == world.people.named(FRIEND).address(group.server)
        assert (receipt.get_child("keys") is not None) == keys
