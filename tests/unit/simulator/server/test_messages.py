"""Messages from a device: where they go, what comes back, and what a person's phone refuses."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import JID, Node, bytes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


def arrived(world: ServerState, number: str = FRIEND) -> list[tuple[str, str, int]]:
    return [(item["id"], item["text"], item["deliveries"]) for item in world.inbox.received(number)]


async def test_ack_then_delivered_then_read(device: Device, world: ServerState) -> None:
    await device.send(await device.message(FRIEND, "hello", "M1"))
    ack = await device.next("ack")
    assert (ack.attrs["class"], ack.attrs["id"]) == ("message", "M1")
    assert int(ack.attrs["t"]) > 0
    assert "error" not in ack.attrs
    assert arrived(world) == [("M1", "hello", 1)]
    for kind in (None, "read"):
        receipt = await device.next("receipt")
        assert (receipt.attrs["id"], receipt.attrs.get("type")) == ("M1", kind)
        waiting = world.queue.counts((NUMBER, device.device))
        assert waiting["receipt"] == (2 if kind is None else 1)
        attrs = {"class": "receipt", "id": "M1", "to": receipt.attrs["from"]}
        await device.send(Node("ack", attrs | ({"type": kind} if kind else {})))
    await device.query("w:p", "get")
    assert world.queue.counts((NUMBER, device.device)) == {}


@pytest.mark.parametrize(("receipts", "expected"), [("none", []), ("delivered", [None])])
async def test_people_who_send_fewer_receipts(
    device: Device, world: ServerState, receipts: str, expected: list[str | None]
) -> None:
    world.people.change(FRIEND, {"receipts": receipts})
    await device.send(await device.message(FRIEND, "hello", "M1"))
    await device.next("ack")
    types = [one.stanza.attrs.get("type") for one in world.queue.waiting((NUMBER, device.device))]
    assert types == expected


async def test_the_same_id_again_counts_as_another_delivery(
    device: Device, world: ServerState
) -> None:
    first = await device.message(FRIEND, "hello", "M1")
    for stanza in (first, first, await device.message(FRIEND, "hello", "M1")):
        await device.send(stanza)
        await device.next("ack")
    assert arrived(world) == [("M1", "hello", 3)]


async def test_someone_who_is_not_on_whatsapp(device: Device, world: ServerState) -> None:
    stanza = await device.message(FRIEND, "hello", "M1")
    world.people.change(FRIEND, {"registered": False})
    await device.send(stanza)
    assert (await device.next("ack")).attrs["error"] == "404"
    assert arrived(world) == []


async def test_phash_when_a_device_was_left_out(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    own = Node("to", {"jid": JID(NUMBER)}, [Node("enc", {"v": "2", "type": "msg"}, b"?")])
    stanza = await device.message(FRIEND, "hello", "M1")
    stanza.get_child("participants").content.append(own)
    await device.send(stanza)
    assert "phash" not in (await device.next("ack")).attrs

    friend = await paired(FRIEND)
    stanza = await device.message(FRIEND, "hello", "M2")
    stanza.get_child("participants").content.append(own)
    await device.send(stanza)
    expected = sorted(
        f"{number}.0:{one}@s.whatsapp.net"
        for number, one in (
            (NUMBER, 0),
            (NUMBER, device.device),
            (FRIEND, 0),
            (FRIEND, friend.device),
        )
    )
    digest = base64.b64encode(hashlib.sha256("".join(expected).encode()).digest()[:6])
    assert (await device.next("ack")).attrs["phash"] == "2:" + digest.decode()


async def test_a_participant_hash_that_differs_and_stays(
    device: Device, world: ServerState
) -> None:
    world.faults.request({"account": NUMBER, "kind": "false_phash"})
    hashes = []
    for message_id in ("M1", "M2"):
        await device.send(await device.message(FRIEND, "hello", message_id))
        hashes.append((await device.next("ack")).attrs["phash"])
    assert hashes[0] == hashes[1]
    assert [one[0] for one in arrived(world)] == ["M1", "M2"]


async def test_messages_are_refused_until_the_next_login(
    device: Device, world: ServerState
) -> None:
    world.faults.request({"account": NUMBER, "kind": "refuse_until_login"})
    for message_id in ("M1", "M2"):
        await device.send(await device.message(FRIEND, "hello", message_id))
        assert (await device.next("ack")).attrs["error"] == "400"
    assert arrived(world) == []
    await device.close()
    await device.login()
    await device.send(await device.message(FRIEND, "hello", "M1"))
    assert "error" not in (await device.next("ack")).attrs


def without_identity(stanza: Any) -> None:
    stanza.content = [child for child in stanza.content if child.tag != "device-identity"]


def another_identity(stanza: Any) -> None:
    child = stanza.get_child("device-identity")
    child.content = child.content[:-1] + bytes([child.content[-1] ^ 1])


def altered(stanza: Any) -> None:
    enc = stanza.get_child("participants").get_child("to").get_child("enc")
    enc.content = enc.content[:-20] + bytes([enc.content[-20] ^ 1]) + enc.content[-19:]


@pytest.mark.parametrize("spoil", [without_identity, another_identity, altered])
async def test_what_does_not_decrypt_is_asked_for_again(
    device: Device, world: ServerState, spoil: Callable[[Any], None]
) -> None:
    stanza = await device.message(FRIEND, "hello", "M1")
    spoil(stanza)
    for count in (1, 2):
        await device.send(stanza)
        retry = await device.next("receipt")
        assert (retry.attrs["type"], retry.attrs["id"]) == ("retry", "M1")
        assert retry.get_child("retry").attrs["count"] == str(count)
        # keys from the second time on, as whatsmeow does it
        assert (retry.get_child("keys") is not None) is (count > 1)
    assert arrived(world) == []
    await device.send(await device.message(FRIEND, "hello", "M1"))
    await device.query("w:p", "get")
    assert arrived(world) == [("M1", "hello", 1)]


async def test_asks_no_more_than_five_times(device: Device) -> None:
    stanza = await device.message(FRIEND, "hello", "M1")
    altered(stanza)
    for _ in range(7):
        await device.send(stanza)
    await device.query("w:p", "get")
    retries = [
        one.stanza.get_child("retry").attrs["count"]
        for one in device.world.queue.waiting((NUMBER, device.device))
    ]
    assert retries == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("with_keys", [False, True])
async def test_a_retry_receipt_is_answered_under_the_same_id(
    device: Device, world: ServerState, with_keys: bool
) -> None:
    with world.store.transaction():
        message_id = world.contact_behaviour.say(FRIEND, NUMBER, "hello")
    lost = await device.next("message")
    keys = device.signal.bundle()
    content = [
        Node("retry", {"count": "2" if with_keys else "1", "id": message_id, "t": "1", "v": "1"})
    ]
    if with_keys:
        content.append(Node("keys", {}, _keys(keys)))
    attrs = {"to": lost.attrs["from"], "id": message_id, "type": "retry"}
    await device.send(Node("receipt", attrs, content))
    again = await device.next("message")
    assert again.attrs["id"] == message_id
    assert again.get_child("enc").attrs["count"] == ("2" if with_keys else "1")
    assert device.decrypt(again) == "hello"
    assert world.sent.of(FRIEND)[0]["retries"] == 1


def _keys(bundle: Any) -> list[Any]:
    from simulator.server.stanzas import bundle_keys

    return bundle_keys(bundle)


async def test_two_accounts(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(OTHER)
    message = await device.message(OTHER, "to the phone", "M1")
    user = Node("user", {"jid": JID(OTHER, device=other.device)})
    answer = await device.query("encrypt", "get", Node("key", {}, [user]))
    found = answer.get_child("list").get_child("user")
    assert bytes_of(found, "device-identity") == other.identity_bytes
    assert bytes_of(found, "identity") == other.signal.identity.public
    await device.send(message)
    await device.next("ack")
    assert arrived(world, OTHER) == [("M1", "to the phone", 1)]


async def test_a_read_receipt_reaches_the_contact(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        message_id = world.contact_behaviour.say(FRIEND, NUMBER, "hello")
    assert await device.read() == (message_id, "hello")
    assert (await device.next("ack")).attrs["class"] == "receipt"
    attrs = {"id": message_id, "to": JID(FRIEND), "type": "read"}
    await device.send(Node("receipt", attrs))
    ack = await device.next("ack")
    assert (ack.attrs["class"], ack.attrs["type"]) == ("receipt", "read")
    (said,) = world.sent.of(FRIEND)
    assert (said["delivered"], said["read"]) == (True, True)
