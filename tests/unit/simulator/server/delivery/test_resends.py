"""A message that a device could not read: what its retry receipt and its ack do to the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.server.stanzas import bundle_keys
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


def say(world: ServerState, text: str) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text)


async def ask(device: Device, message_id: str) -> None:
    content = [
        Node("retry", {"count": 1, "id": message_id, "t": "1", "v": "1"}),
        Node("keys", {}, bundle_keys(device.signal.bundle())),
    ]
    attrs = {"to": JID(FRIEND), "id": message_id, "type": "retry"}
    await device.send(Node("receipt", attrs, content))


@pytest.mark.parametrize("order", [("ack", "retry"), ("retry", "ack")])
async def test_a_resend_waits_until_it_is_answered_itself(
    device: Device, world: ServerState, order: tuple[str, str]
) -> None:
    """Retry receipt and ack come in either order: neither removes the resend that is under way."""
    message_id = say(world, "hello")
    old = await device.next("message")
    for answer in order:
        if answer == "retry":
            await ask(device, message_id)
        else:
            ack = {"class": "message", "id": message_id, "to": old.attrs["from"]}
            await device.send(Node("ack", ack))
    await device.next("message")
    await device.query("w:p", "get")
    await device.close()
    await device.login()
    again = await device.next("message")
    assert again.get_child("enc").attrs["count"] == "1"
    assert device.decrypt(again) == "hello"
    await device.send(Node("receipt", {"id": message_id, "to": again.attrs["from"]}))
    await device.query("w:p", "get")
    assert world.queue.waiting((NUMBER, device.device)) == []


async def test_a_retry_receipt_alone_removes_nothing(device: Device, world: ServerState) -> None:
    message_id = say(world, "hello")
    await device.next("message")
    await ask(device, message_id)
    await device.next("message")
    await device.query("w:p", "get")
    (old, new) = world.queue.waiting((NUMBER, device.device))
    assert (old.stanza.attrs["id"], new.stanza.attrs["id"]) == (message_id, message_id)
    (first, second) = world.answer_deadlines.open(NUMBER)
    assert (first["wrong"], second["wrong"]) == (["retry alone"], [])
