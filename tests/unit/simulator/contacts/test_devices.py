"""People with several devices: each reads for itself, and the server tells who came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.devices import NoDeviceError, participant_hash
from simulator.phones import adv
from simulator.wire.proto_schema import ADVKeyIndexList
from simulator.wire.protocol_library import (
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

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


def link(world: ServerState, number: str = FRIEND, *, notify: bool = True) -> int:
    with world.store.transaction():
        return world.device_changes.link(number, notify=notify)


def unlink(world: ServerState, device: int, *, notify: bool = True) -> None:
    with world.store.transaction():
        world.device_changes.unlink(FRIEND, device, notify=notify)


def say(world: ServerState, text: str, **more: Any) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text, **more)


def listed(world: ServerState, number: str) -> Any:
    signed = ADVSignedKeyIndexList.FromString(world.devices.signed_list(number).signed)
    phone = world.endpoints.phone(number).identity.public
    assert xeddsa_verify(phone, b"\x06\x02" + signed.details, signed.account_signature)
    return ADVKeyIndexList.FromString(signed.details)


async def phash(device: Device) -> str | None:
    value = (await device.next("ack")).attrs.get("phash")
    return None if value is None else str(value)


async def test_each_device_reads_and_the_message_counts_once(
    device: Device, world: ServerState
) -> None:
    linked = [link(world, notify=False) for _ in range(2)]
    await device.send(await device.message(FRIEND, "hello", "M1", devices=(0, *linked)))
    await device.next("ack")
    delivered = [await device.next("receipt") for _ in range(3)]
    assert {one.attrs["from"].device for one in delivered} == {0, *linked}
    (item,) = world.inbox.received(FRIEND)
    assert (item["text"], item["devices"], item["deliveries"]) == ("hello", [0, *linked], 1)
    # each device's receipt waits for an ack of its own
    waiting = world.queue.counts((NUMBER, device.device))["receipt"]
    assert waiting == 4, "three times delivered, once read"
    attrs = {"class": "receipt", "id": "M1", "to": JID(FRIEND, device=linked[0])}
    await device.send(Node("ack", attrs))
    await device.query("w:p", "get")
    assert world.queue.counts((NUMBER, device.device))["receipt"] == waiting - 1


async def test_a_linked_device_speaks_and_is_vouched_for(
    device: Device, world: ServerState
) -> None:
    linked = link(world, notify=False)
    message_id = say(world, "from the desk", device=linked)
    stanza = await device.next("message")
    assert (stanza.attrs["id"], stanza.attrs["from"].device) == (message_id, linked)
    endpoint = world.endpoints.get(FRIEND, linked)
    assert endpoint is not None
    shown = stanza.get_child("device-identity").content
    phone = world.endpoints.phone(FRIEND).identity.public
    assert adv.vouched(shown, endpoint.identity.public, phone)
    assert device.decrypt(stanza) == "from the desk"
    bundle = await device.query(
        "encrypt", "get", Node("key", {}, [Node("user", {"jid": JID(FRIEND, device=linked)})])
    )
    user = bundle.get_child("list").get_child("user")
    assert bytes_of(user, "device-identity") == shown
    assert bytes_of(user, "identity") == endpoint.identity.public


def test_a_device_that_is_not_there_cannot_speak_or_go(world: ServerState) -> None:
    with pytest.raises(NoDeviceError):
        say(world, "nobody", device=7)
    for device in (0, 7):
        with pytest.raises(NoDeviceError):
            unlink(world, device)


def test_the_signed_list_follows_every_change(world: ServerState) -> None:
    stamps = [listed(world, FRIEND).timestamp]
    one, two = link(world), link(world)
    details = listed(world, FRIEND)
    assert (list(details.valid_indexes), details.current_index) == ([0, one, two], two)
    stamps.append(details.timestamp)
    unlink(world, two)
    details = listed(world, FRIEND)
    # the highest index ever given stays: a client would believe a device above it
    assert (list(details.valid_indexes), details.current_index) == ([0, one], two)
    stamps.append(details.timestamp)
    assert stamps == sorted(set(stamps)), "each list is dated later than the one before"
    assert link(world) == two + 1, "ids are never given twice"


@pytest.mark.parametrize("online", [True, False])
async def test_accounts_that_know_the_contact_are_notified(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]], online: bool
) -> None:
    stranger = await paired(OTHER)
    say(world, "hello")
    if not online:
        await device.close()
    linked = link(world)
    unlink(world, linked)
    if not online:
        await device.login()
    added = await device.next("notification")
    assert (added.attrs["type"], str(added.attrs["from"])) == ("devices", str(JID(FRIEND)))
    change = added.get_child("add")
    assert change.get_child("device").attrs == {
        "jid": JID(FRIEND, device=linked),
        "lid": world.people.named(FRIEND).address(LID_SERVER, linked),
        "key-index": str(linked),
    }
    assert change.attrs["device_hash"] == participant_hash(
        [JID(FRIEND), JID(FRIEND, device=linked)]
    )
    signed = ADVSignedKeyIndexList.FromString(bytes_of(change, "key-index-list"))
    details = ADVKeyIndexList.FromString(signed.details)
    assert str(details.timestamp) == change.get_child("key-index-list").attrs["ts"]
    assert linked in details.valid_indexes
    removed = (await device.next("notification")).get_child("remove")
    assert removed.get_child("device").attrs["jid"] == JID(FRIEND, device=linked)
    assert removed.attrs["device_hash"] == world.devices.hash(FRIEND, PN_SERVER)
    assert world.queue.counts((OTHER, stranger.device)) == {}


@pytest.mark.parametrize("server", [PN_SERVER, LID_SERVER])
async def test_without_notice_the_ack_gives_it_away(
    device: Device, world: ServerState, server: str
) -> None:
    async def send(message_id: str, *devices: int) -> str | None:
        own = Node("to", {"jid": JID(NUMBER)}, [Node("enc", {"v": "2", "type": "msg"}, b"?")])
        stanza = await device.message(FRIEND, "hello", message_id, devices=devices)
        stanza.get_child("participants").content.append(own)
        device.readdress(stanza, server)
        await device.send(stanza)
        return await phash(device)

    assert await send("M1", 0) is None
    linked = link(world, notify=False)
    me, friend = world.people.named(NUMBER), world.people.named(FRIEND)
    everyone = [
        *(friend.address(server, one) for one in (0, linked)),
        *(me.address(server, one) for one in (0, device.device)),
    ]
    assert await send("M2", 0) == participant_hash(everyone)
    assert await send("M3", 0, linked) is None
    unlink(world, linked, notify=False)
    assert await send("M4", 0, linked) == participant_hash([everyone[0], *everyone[2:]])
    assert [item["devices"] for item in world.inbox.received(FRIEND)] == [
        [0],
        [0],
        [0, linked],
        [0],
    ]
    assert "notification" not in world.queue.counts((NUMBER, device.device))


async def test_own_companions_get_the_whole_list(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    second = await paired(NUMBER)
    notice = await device.next("notification")
    assert notice.attrs["type"] == "account_sync"
    devices = notice.get_child("devices")
    shown = [one.attrs["jid"].device for one in devices.get_children("device")]
    assert shown == [0, device.device, second.device]
    assert devices.attrs["dhash"] == world.devices.hash(NUMBER, PN_SERVER)
    assert world.queue.counts((NUMBER, second.device)) == {}


async def test_a_companion_that_the_simulator_plays_beside_the_client(
    device: Device, world: ServerState
) -> None:
    beside = link(world, NUMBER, notify=False)
    stanza = await device.message(FRIEND, "hello", "M1")
    to = await device.part(NUMBER, beside, device.own_copy("hello", FRIEND))
    phone = await device.part(NUMBER, 0, device.own_copy("hello", FRIEND))
    stanza.get_child("participants").content += [to, phone]
    await device.send(stanza)
    assert await phash(device) is None
    (copy,) = world.inbox.copies(NUMBER)
    assert (copy["text"], copy["to"], copy["devices"]) == ("hello", FRIEND, [0, beside])
