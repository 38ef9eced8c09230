"""Hosted devices: how they are listed and named, what they read, and where they take no part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.contacts.devices import participant_hash
from simulator.control.api import application
from simulator.phones.adv import parsed
from simulator.wire.proto_schema import ADVDeviceIdentity, ADVKeyIndexList
from simulator.wire.protocol_library import (
    HOSTED_DEVICE,
    JID,
    LID_SERVER,
    PN_SERVER,
    ADVSignedKeyIndexList,
    Node,
    bytes_of,
    xeddsa_verify,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


@pytest.fixture
async def device(paired: Callable[[str], Awaitable[Device]], world: ServerState) -> Device:
    """A device of an account whose contact has a hosted device."""
    device = await paired(NUMBER)
    assert link(world, hosted=True) == HOSTED_DEVICE
    return device


def link(world: ServerState, **more: Any) -> int:
    with world.store.transaction():
        return world.device_changes.link(FRIEND, notify=False, **more)


def own_copy() -> Any:
    return Node("to", {"jid": JID(NUMBER)}, [Node("enc", {"v": "2", "type": "msg"}, b"?")])


async def sent(
    device: Device, message_id: str, *devices: int, server: str = PN_SERVER
) -> dict[str, Any]:
    """Returns the attributes of the ack of a message to those devices."""
    stanza = await device.message(FRIEND, "hello", message_id, devices=devices)
    stanza.get_child("participants").content.append(own_copy())
    device.readdress(stanza, server)
    await device.send(stanza)
    return dict((await device.next("ack")).attrs)


async def test_it_is_in_the_list_and_says_that_it_is_hosted(
    device: Device, world: ServerState
) -> None:
    usync = Node(
        "usync",
        {"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "message"},
        [
            Node("query", {}, [Node("devices", {"version": "2"})]),
            Node("list", {}, [Node("user", {"jid": JID(FRIEND)})]),
        ],
    )
    answer = await device.query("usync", "get", usync)
    user = answer.get_child("usync").get_child("list").get_child("user")
    devices = user.get_child("devices")
    listed = {
        one.attrs["id"]: one.attrs.get("is_hosted")
        for one in devices.get_child("device-list").get_children("device")
    }
    assert listed == {"0": None, str(HOSTED_DEVICE): "true"}
    index = devices.get_child("device-list").get_children("device")[1].attrs["key-index"]
    signed = ADVSignedKeyIndexList.FromString(bytes_of(devices, "key-index-list"))
    assert int(index) in ADVKeyIndexList.FromString(signed.details).valid_indexes


async def test_its_keys_are_under_its_own_address(device: Device, world: ServerState) -> None:
    friend = world.people.named(FRIEND)
    for jid, known in (
        (JID(FRIEND, "hosted", HOSTED_DEVICE), True),
        (JID(friend.lid, "hosted.lid", HOSTED_DEVICE), True),
        (JID(FRIEND, PN_SERVER, HOSTED_DEVICE), False),
        (JID(friend.lid, LID_SERVER, HOSTED_DEVICE), False),
        (JID(FRIEND, "hosted", 0), False),
    ):
        query = Node("key", {}, [Node("user", {"jid": jid})])
        user = (await device.query("encrypt", "get", query)).get_child("list").get_child("user")
        assert (user.get_child("error") is None) is known, str(jid)
        if not known:
            continue
        identity = parsed(bytes_of(user, "device-identity"))
        assert ADVDeviceIdentity.FromString(identity.details).device_type == 1
        phone, own = world.endpoints.phone(FRIEND).identity.public, bytes_of(user, "identity")
        account = b"\x06\x05" + identity.details + own
        assert xeddsa_verify(phone, account, identity.account_signature)
        assert xeddsa_verify(
            own, b"\x06\x06" + identity.details + own + phone, identity.device_signature
        )


@pytest.mark.parametrize("server", [PN_SERVER, LID_SERVER])
async def test_messages_reach_it_and_may_leave_it_out(
    device: Device, world: ServerState, server: str
) -> None:
    """Whatsmeow writes to it, whatsapp-rust does not: the ack reports no difference for either list."""
    assert sent_to(await sent(device, "M1", 0, HOSTED_DEVICE, server=server)) == (None, None)
    assert sent_to(await sent(device, "M2", 0, server=server)) == (None, None)
    other = link(world)
    friend, me = world.people.named(FRIEND), world.people.named(NUMBER)
    everyone = [
        *(friend.address(server, one) for one in (0, HOSTED_DEVICE, other)),
        *(me.address(server, one) for one in (0, device.device)),
    ]
    for number, devices in enumerate(((0,), (0, HOSTED_DEVICE)), 3):
        ack = await sent(device, f"M{number}", *devices, server=server)
        assert sent_to(ack) == (None, participant_hash(everyone))
    assert [item["devices"] for item in world.inbox.received(FRIEND)] == [
        [0, HOSTED_DEVICE],
        [0],
        [0],
        [0, HOSTED_DEVICE],
    ]


def sent_to(ack: dict[str, Any]) -> tuple[Any, Any]:
    return ack.get("error"), ack.get("phash")


@pytest.mark.parametrize(
    ("named", "wrongly"),
    [
        (JID(FRIEND, "hosted", HOSTED_DEVICE), False),
        (JID(FRIEND, PN_SERVER, HOSTED_DEVICE), True),
        (JID(FRIEND, "hosted", 0), True),
    ],
)
async def test_it_is_named_by_its_own_server_part(
    device: Device, named: JID, wrongly: bool
) -> None:
    stanza = await device.message(FRIEND, "hello", "M1", devices=(0, HOSTED_DEVICE))
    stanza.get_child("participants").get_children("to")[1].attrs["jid"] = named
    await device.send(stanza)
    assert (await device.next("ack")).attrs.get("error") == ("400" if wrongly else None)


@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_it_speaks_and_hears_what_comes_of_it(
    device: Device, world: ServerState, addressing: str
) -> None:
    with world.store.transaction():
        said = world.contact_behaviour.say(
            FRIEND, NUMBER, "by the shop", device=HOSTED_DEVICE, addressing=addressing
        )
    stanza = await device.next("message")
    assert stanza.attrs["from"].server == ("hosted" if addressing == "pn" else "hosted.lid")
    answer = {"id": said, "to": stanza.attrs["from"]}
    retry = Node("retry", {"count": "1", "id": said, "t": "1", "v": "1"})
    await device.send(Node("receipt", answer | {"type": "retry"}, [retry]))
    await device.send(Node("ack", answer | {"class": "message"}))
    again = await device.next("message")
    assert device.decrypt(again) == "by the shop"
    await device.send(Node("receipt", answer))
    await device.query("w:p", "get")
    (item,) = world.sent.of(FRIEND)
    assert (item["retries"], item["delivered"] is not None) == (1, True)
    assert "message" not in world.queue.counts((NUMBER, device.device))


async def test_a_person_has_one(device: Device, world: ServerState) -> None:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        path = f"/contacts/{FRIEND}/devices"
        again = await http.post(path, json={"hosted": True})
        assert (again.status_code, again.json()["code"]) == (409, "has_hosted_device")
        assert (await http.delete(f"{path}/{HOSTED_DEVICE}")).is_success
        assert (await http.post(path, json={"hosted": True})).json() == {"device": HOSTED_DEVICE}


async def test_no_other_device_gets_its_id(world: ServerState) -> None:
    world.people.named(FRIEND)
    world.store.execute("UPDATE people SET next_device = 98 WHERE number = ?", FRIEND)
    assert [link(world) for _ in range(2)] == [98, 100]


async def test_it_takes_no_part_in_groups(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], PN_SERVER)
    assert (FRIEND, HOSTED_DEVICE) not in world.group_messages.expected(group)
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        body = {"to": group.chat, "text": "to all", "device": HOSTED_DEVICE}
        answer = await http.post(f"/contacts/{FRIEND}/say", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_device")
