"""Groups: sender keys handed over once and renewed, notifications, receipts with a participant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.sender_keys import SenderKeys
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from simulator.server.groups.group import Group
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


class Member:
    """A device with the client's half of a group's sender keys."""

    def __init__(self, device: Device, group: Group) -> None:
        self.device = device
        self.group = group
        self.keys = SenderKeys(device.store)

    def read(self, stanza: Any) -> tuple[list[str], str]:
        """The kinds of ciphertext in a message, and its text."""
        sender = self.device.world.people.at(stanza.attrs["participant"])
        assert sender is not None
        peer = (sender.number, stanza.attrs["participant"].device)
        text, kinds = "", []
        for enc in stanza.get_children("enc"):
            kinds.append(str(enc.attrs["type"]))
            if kinds[-1] == "skmsg":
                plain = self.keys.decrypt(self.group, self.device.signal, peer, enc.content)
            else:
                plain = self.device.signal.decrypt(peer, kinds[-1], enc.content)
            message = Message.FromString(plain)
            key = message.sender_key_distribution_message
            if key.group_id:
                handed_over = key.axolotl_sender_key_distribution_message
                self.keys.store(self.group, self.device.signal, peer, handed_over)
            text = text or message.conversation
        return kinds, text

    async def write(self, text: str, message_id: str, *, to: tuple[str, ...] = ()) -> None:
        """Sends a text to the group, with the key for the phones of `to`."""
        plain = Message(conversation=text).SerializeToString()
        handed_over, sealed = self.keys.encrypt(self.group, self.device.signal, plain)
        message = Message()
        message.sender_key_distribution_message.group_id = str(self.group.address)
        message.sender_key_distribution_message.axolotl_sender_key_distribution_message = (
            handed_over
        )
        parts = [await self.device.part(number, 0, message) for number in to]
        for number, part in zip(to, parts, strict=True):
            person = self.device.world.people.named(number)
            part.attrs["jid"] = person.address(self.group.server)
        content = [
            Node("participants", {}, parts),
            Node("device-identity", {}, self.device.identity_bytes),
            Node("enc", {"v": "2", "type": "skmsg"}, sealed),
        ]
        attrs = {"to": self.group.address, "id": message_id, "type": "text", "phash": "2:none"}
        await self.device.send(Node("message", attrs, content))


@pytest.fixture(params=[PN_SERVER, LID_SERVER])
async def member(request: pytest.FixtureRequest, device: Device) -> Member:
    world = device.world
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER, OTHER], request.param)
        world.group_management.notifications.made(group)
    await device.next("notification")
    return Member(device, group)


async def test_who_lacks_the_key_asks_and_is_answered(member: Member) -> None:
    device, world = member.device, member.device.world
    await member.write("hello", "M1")
    await device.next("receipt")  # the own phone's, which is a member, too
    receipt = await device.next("receipt")
    assert (receipt.attrs["type"], receipt.attrs["from"]) == ("retry", member.group.address)
    asker = world.people.at(receipt.attrs["participant"])
    assert asker is not None
    assert world.inbox.received(asker.number) == []
    message = Message(conversation="hello")
    message.sender_key_distribution_message.group_id = str(member.group.address)
    handed_over = member.keys.handed_over(member.group, device.signal)
    message.sender_key_distribution_message.axolotl_sender_key_distribution_message = handed_over
    part = await device.part(asker.number, 0, message)
    content = [part.get_child("enc"), Node("device-identity", {}, device.identity_bytes)]
    attrs = {"to": member.group.address, "id": "M1", "type": "text"}
    attrs["participant"] = receipt.attrs["participant"]
    await device.send(Node("message", attrs, content))
    await member.write("again", "M2")
    await device.next("ack")
    await device.query("w:p", "get")
    texts = [item["text"] for item in world.inbox.received(asker.number)]
    assert texts == ["hello", "again"]


async def test_a_replayed_message_is_not_read(member: Member) -> None:
    device, world = member.device, member.device.world
    await member.write("opens", "M1", to=(FRIEND,))
    plain = Message(conversation="once").SerializeToString()
    _, sealed = member.keys.encrypt(member.group, device.signal, plain)
    for message_id in ("M2", "M3"):
        enc = Node("enc", {"v": "2", "type": "skmsg"}, sealed)
        attrs = {"to": member.group.address, "id": message_id, "type": "text"}
        await device.send(Node("message", attrs, [enc]))
    await device.query("w:p", "get")
    texts = [item["text"] for item in world.inbox.received(FRIEND)]
    assert texts == ["opens", "once"]


async def test_an_altered_message_is_not_read(member: Member) -> None:
    device, world = member.device, member.device.world
    await member.write("hello", "M1", to=(FRIEND,))
    await device.next("ack")
    plain = Message(conversation="forged").SerializeToString()
    _, sealed = member.keys.encrypt(member.group, device.signal, plain)
    forged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    enc = Node("enc", {"v": "2", "type": "skmsg"}, forged)
    attrs = {"to": member.group.address, "id": "M2", "type": "text"}
    await device.send(Node("message", attrs, [enc]))
    await device.next("ack")
    await device.query("w:p", "get")
    assert [item["text"] for item in world.inbox.received(FRIEND)] == ["hello"]
