"""Messages from a device: where they go, what comes back, and what a person's phone refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Callable

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
