"""Receipts: what a message's author sees by each type of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
MARKS = ("received", "delivered", "read")


def say(world: ServerState, text: str = "hello", to: str = NUMBER) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, to, text)


async def confirm(device: Device, message_id: str, kind: str, **attrs: Any) -> None:
    """Sends a receipt, and waits for the server's ack of it."""
    typed = {"type": kind} if kind else {}
    await device.send(Node("receipt", {"id": message_id, "to": JID(FRIEND), **typed, **attrs}))
    while (await device.next("ack")).attrs["class"] != "receipt":
        pass


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("inactive", ["received"]),
        ("", ["received", "delivered"]),
        ("read", ["received", "delivered", "read"]),
        ("played", ["received", "delivered", "read"]),
        ("sender", []),
    ],
)
async def test_the_author_sees_a_message_by_the_type_of_its_receipt(
    device: Device, world: ServerState, kind: str, marks: list[str]
) -> None:
    message_id = say(world)
    await device.next("message")
    await confirm(device, message_id, kind)
    (said,) = world.sent.of(FRIEND)
    assert [mark for mark in MARKS if said[mark]] == marks


async def test_an_inactive_receipt_reaches_the_author_as_one(
    device: Device, paired: Callable[[str], Awaitable[Device]]
) -> None:
    author = await paired(OTHER)
    await author.send(await author.message(NUMBER, "hello", "M1", devices=(device.device,)))
    await device.next("message")
    await device.send(Node("receipt", {"id": "M1", "to": JID(OTHER), "type": "inactive"}))
    heard = await author.next("receipt")
    assert (heard.attrs["id"], heard.attrs["type"]) == ("M1", "inactive")


async def test_a_contact_who_is_not_shown_online_confirms_by_inactive_receipts(
    device: Device, world: ServerState
) -> None:
    world.people.change(FRIEND, {"receipts": "inactive", "delivered_after": 0.0})
    await device.send(await device.message(FRIEND, "hello", "M1"))
    heard = await device.next("receipt")
    assert (heard.attrs["id"], heard.attrs["type"]) == ("M1", "inactive")


async def test_a_contact_who_is_not_shown_online_leaves_the_phones_message_undelivered(
    device: Device, world: ServerState
) -> None:
    world.people.change(FRIEND, {"receipts": "inactive", "delivered_after": 0.0})
    with world.store.transaction():
        world.contact_behaviour.say(NUMBER, FRIEND, "from my pocket")
    await device.next("message")
    (said,) = world.sent.of(NUMBER)
    assert [mark for mark in MARKS if said[mark]] == ["received"]


@pytest.mark.parametrize(
    ("kind", "shown", "marks"),
    [
        ("read", "all", ["received", "delivered", "read"]),
        ("read", "none", []),
        ("read-self", "all", []),
        ("read-self", "none", []),
        ("played-self", "none", []),
    ],
)
async def test_what_an_account_read_is_shown_as_it_is_set_to(
    device: Device, world: ServerState, kind: str, shown: str, marks: list[str]
) -> None:
    world.properties.change(NUMBER, {"read_receipts": shown})
    message_id = say(world)
    await device.next("message")
    await confirm(device, message_id, kind)
    (said,) = world.sent.of(FRIEND)
    assert [mark for mark in MARKS if said[mark]] == marks
    assert world.read_messages.of(NUMBER) == [{"chat": FRIEND, "id": message_id, "type": kind}]
    broken = kind == "read" and shown == "none"
    assert world.remarks.of(NUMBER) == ({"read_receipts": 1} if broken else {})


async def test_a_group_sees_what_an_account_read_however_it_is_set(
    device: Device, world: ServerState
) -> None:
    world.properties.change(NUMBER, {"read_receipts": "none"})
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], LID_SERVER)
    message_id = say(world, to=group.chat)
    member = (await device.next("message")).attrs["participant"]
    await confirm(device, message_id, "read", to=group.address, participant=member)
    assert world.sent.of(FRIEND)[0]["read"]
    assert world.remarks.of(NUMBER) == {}
    assert world.read_messages.of(NUMBER)[0]["chat"] == group.chat


@pytest.mark.parametrize("server", [PN_SERVER, LID_SERVER])
async def test_the_other_devices_of_an_account_get_receipts_of_one(
    device: Device,
    world: ServerState,
    paired: Callable[[str], Awaitable[Device]],
    server: str,
) -> None:
    other = await paired(NUMBER)
    address = world.people.named(FRIEND).address(server)
    listed = Node("list", {}, [Node("item", {"id": "M2"})])
    attrs = {"id": "M1", "to": address, "type": "read-self"}
    await device.send(Node("receipt", attrs, [listed]))
    for message_id in ("M1", "M2"):
        told = await other.next("receipt")
        assert told.attrs == {
            "from": world.people.named(NUMBER).address(server, device.device),
            "recipient": address,
            "id": message_id,
            "type": "read-self",
            "t": told.attrs["t"],
        }


@pytest.mark.parametrize(("shown", "kind"), [("all", "read"), ("none", "read-self")])
async def test_messages_read_on_the_phone_follow_the_privacy_settings(
    device: Device, world: ServerState, shown: str, kind: str
) -> None:
    world.properties.change(NUMBER, {"read_receipts": shown})
    message_id = say(world)
    await device.next("message")
    with world.store.transaction():
        assert world.receipts.read_on_phone(NUMBER, message_id)
    told = await device.next("receipt")
    assert told.attrs == {
        "from": JID(NUMBER),
        "recipient": JID(FRIEND),
        "id": message_id,
        "type": kind,
        "t": told.attrs["t"],
    }
    (said,) = world.sent.of(FRIEND)
    assert said["read"] is (shown == "all")
    assert world.remarks.of(NUMBER) == {}


async def test_group_messages_read_on_the_phone_are_reported(
    device: Device, world: ServerState
) -> None:
    world.properties.change(NUMBER, {"read_receipts": "none"})
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], LID_SERVER)
    message_id = say(world, to=group.chat)
    await device.next("message")
    with world.store.transaction():
        assert world.receipts.read_on_phone(NUMBER, message_id)
    told = await device.next("receipt")
    assert (told.attrs["from"], told.attrs["type"]) == (group.address, "read")
    assert told.attrs["participant"] == world.people.named(NUMBER).address(LID_SERVER)
    assert world.sent.of(FRIEND)[0]["read"]


async def test_a_setting_that_one_device_changes_reaches_the_others(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(NUMBER)
    category = Node("category", {"name": "readreceipts", "value": "none"})
    answer = await device.query("privacy", "set", Node("privacy", {}, [category]))
    assert answer.attrs["type"] == "result"
    passed = list(device.passed)
    await device.query("privacy", "get", Node("privacy"))
    assert [one for one in (*passed, *device.passed) if one.get_child("privacy") is not None] == []
    while (told := await other.next("notification")).get_child("privacy") is None:
        pass
    changed = told.get_child("privacy").get_child("category")
    assert changed.attrs == {"name": "readreceipts", "value": "none"}
    assert world.privacy.hides_reading(NUMBER)
    asked = await other.query("privacy", "get", Node("privacy"))
    values = {
        one.attrs["name"]: one.attrs["value"]
        for one in asked.get_child("privacy").get_children("category")
    }
    assert values["readreceipts"] == "none"
    assert values["profile"] == "all"


async def test_a_setting_that_does_not_exist_is_refused(device: Device) -> None:
    category = Node("category", {"name": "readreceipts", "value": "sometimes"})
    answer = await device.query("privacy", "set", Node("privacy", {}, [category]))
    assert answer.get_child("error").attrs["code"] == "400"
