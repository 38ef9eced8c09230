"""Groups: sender keys handed over once and renewed, notifications, receipts with a participant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts import message_content
from simulator.contacts.sender_keys import SenderKeys
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import GROUP_SERVER, JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server.groups.group import Group
    from simulator.server_state import ServerState
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


def say(world: ServerState, group: Group, text: str, number: str = FRIEND) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(number, group.chat, text)


async def test_a_key_is_handed_over_once_and_renewed(member: Member) -> None:
    world, device = member.device.world, member.device
    say(world, member.group, "one")
    stanza = await device.next("message")
    friend = world.people.named(FRIEND)
    by_lid = member.group.server == LID_SERVER
    assert stanza.attrs["from"] == member.group.address
    assert stanza.attrs["participant"] == friend.address(member.group.server)
    assert stanza.attrs["addressing_mode"] == ("lid" if by_lid else "pn")
    beside = "participant_pn" if by_lid else "participant_lid"
    assert stanza.attrs[beside] == friend.address(PN_SERVER if by_lid else LID_SERVER)
    assert member.read(stanza) == (["pkmsg", "skmsg"], "one")
    say(world, member.group, "two")
    assert member.read(await device.next("message")) == (["skmsg"], "two")
    with world.store.transaction():
        world.group_management.membership.dismiss(member.group, [OTHER], FRIEND)
    removed = await device.next("notification")
    (left,) = removed.get_child("remove").get_children("participant")
    assert left.attrs["jid"] == world.people.named(OTHER).address(member.group.server)
    say(world, member.group, "three")
    kinds, text = member.read(await device.next("message"))
    assert (len(kinds), text) == (2, "three")


async def test_members_read_what_a_companion_writes(member: Member) -> None:
    device, world = member.device, member.device.world
    await member.write("hello", "M1", to=(FRIEND, OTHER, NUMBER))
    ack = await device.next("ack")
    assert ack.attrs["from"] == member.group.address
    assert str(ack.attrs["phash"]).startswith("2:")
    for number in (FRIEND, OTHER):
        (item,) = world.inbox.received(number)
        assert (item["text"], item["to"], item["group"]) == (
            "hello",
            member.group.chat,
            member.group.chat,
        )
    (copy,) = world.inbox.copies(NUMBER)
    assert (copy["text"], copy["group"]) == ("hello", member.group.chat)
    waiting = world.queue.counts((NUMBER, device.device))
    assert waiting["receipt"] == 4
    receipts = [await device.next("receipt") for _ in range(4)]
    people = {
        (world.people.at(one.attrs["participant"]), one.attrs.get("type")) for one in receipts
    }
    named = {world.people.named(number) for number in (FRIEND, OTHER)}
    assert people == {(person, kind) for person in named for kind in (None, "read")}
    for receipt in receipts:
        attrs = {"class": "receipt", "id": "M1", "to": receipt.attrs["from"]}
        attrs["participant"] = receipt.attrs["participant"]
        kind = {"type": receipt.attrs["type"]} if "type" in receipt.attrs else {}
        await device.send(Node("ack", attrs | kind))
    await device.query("w:p", "get")
    assert "receipt" not in world.queue.counts((NUMBER, device.device))


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


@pytest.mark.parametrize("with_keys", [False, True])
async def test_a_companion_asks_a_member_again(member: Member, with_keys: bool) -> None:
    from simulator.server.stanzas import bundle_keys

    device, world = member.device, member.device.world
    message_id = say(world, member.group, "hello")
    lost = await device.next("message")
    count = "2" if with_keys else "1"
    content = [Node("retry", {"count": count, "id": message_id, "t": "1", "v": "1"})]
    if with_keys:
        content.append(Node("keys", {}, bundle_keys(device.signal.bundle())))
    attrs = {"to": lost.attrs["from"], "id": message_id, "type": "retry"}
    attrs["participant"] = lost.attrs["participant"]
    await device.send(Node("receipt", attrs, content))
    again = await device.next("message")
    ack = await device.next("ack")
    assert ack.attrs["participant"] == lost.attrs["participant"]
    assert (again.attrs["id"], again.attrs["from"]) == (message_id, member.group.address)
    assert again.get_child("enc").attrs["count"] == count
    kinds, text = member.read(again)
    assert (kinds, text) == (["pkmsg"], "hello")
    say(world, member.group, "on")
    assert member.read(await device.next("message"))[1] == "on"


async def test_a_member_who_forgot_asks_for_the_key(member: Member) -> None:
    device, world = member.device, member.device.world
    await member.write("opens", "M1", to=(FRIEND, OTHER, NUMBER))
    await device.next("ack")
    with world.store.transaction():
        world.device_changes.forget(FRIEND, NUMBER)
    await member.write("hello", "M2")
    receipt = await device.next("receipt")
    while receipt.attrs.get("type") != "retry":
        receipt = await device.next("receipt")
    assert receipt.attrs["participant"] == world.people.named(FRIEND).address(member.group.server)


async def test_who_got_a_message_without_a_ciphertext_gets_the_key_with_the_next(
    member: Member,
) -> None:
    """The message itself comes with a ciphertext on a retry receipt."""
    device, world, group = member.device, member.device.world, member.group
    with world.store.transaction():
        message_id = world.contact_behaviour.speak(
            FRIEND, group.chat, lambda *_: message_content.text("one"), placeholder=[]
        )
    stanza = await device.next("message")
    assert (stanza.attrs["id"], stanza.content) == (message_id, None)
    say(world, group, "two")
    assert member.read(await device.next("message")) == (["pkmsg", "skmsg"], "two")
    attrs = {name: stanza.attrs[name] for name in ("participant", "id")}
    retry = Node("retry", {"count": "1", "id": message_id, "t": "1", "v": "1"})
    await device.send(
        Node("receipt", attrs | {"to": stanza.attrs["from"], "type": "retry"}, [retry])
    )
    assert member.read(await device.next("message"))[1] == "one"


async def test_who_reinstalls_hands_over_another_key(member: Member) -> None:
    device, world = member.device, member.device.world
    say(world, member.group, "one")
    member.read(await device.next("message"))
    with world.store.transaction():
        world.device_changes.reinstall(FRIEND, same_identity=False, notify=True)
    changed = await device.next("notification")
    assert changed.get_child("identity") is not None
    say(world, member.group, "two")
    kinds, text = member.read(await device.next("message"))
    assert (kinds, text) == (["pkmsg", "skmsg"], "two")


async def test_a_members_new_device_is_announced(member: Member) -> None:
    with member.device.world.store.transaction():
        member.device.world.device_changes.link(OTHER, notify=True)
    notification = await member.device.next("notification")
    assert notification.attrs["type"] == "devices"


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


async def test_two_companions_in_a_group(
    member: Member, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(OTHER)
    await member.write("hello", "M1", to=(FRIEND,))
    stanza = await other.next("message")
    world = member.device.world
    account = world.people.named(NUMBER)
    address = account.address(member.group.server, member.device.device)
    assert stanza.attrs["participant"] == address
    assert [enc.attrs["type"] for enc in stanza.get_children("enc")] == ["skmsg"]
    attrs = {"id": "M1", "to": member.group.address, "participant": address}
    retry = Node("retry", {"count": "1", "id": "M1", "t": "1", "v": "1"})
    for more, content in (({}, None), ({"type": "read"}, None), ({"type": "retry"}, [retry])):
        await other.send(Node("receipt", attrs | more, content))
    me = world.people.named(OTHER).address(member.group.server, other.device)
    seen: list[Any] = []
    while len(seen) < 3:
        receipt = await member.device.next("receipt")
        if receipt.attrs["participant"] == me:
            assert receipt.attrs["from"] == member.group.address
            seen.append(receipt.attrs.get("type"))
    assert seen == [None, "read", "retry"]


async def test_what_a_companion_asks_about_groups(member: Member) -> None:
    device, world, group = member.device, member.device.world, member.group

    async def asked(to: Any, *content: Any) -> Any:
        attrs = {"to": to, "xmlns": "w:g2", "type": "get", "id": "q"}
        await device.send(Node("iq", attrs, list(content)))
        return await device.next("iq")

    found = (await asked(group.address, Node("query", {"request": "interactive"}))).get_child(
        "group"
    )
    assert (found.attrs["id"], found.attrs["subject"]) == (group.id, "Us")
    assert found.attrs["addressing_mode"] == ("lid" if group.server == LID_SERVER else "pn")
    ranks = {one.attrs["jid"]: one.attrs.get("type") for one in found.get_children("participant")}
    people = [world.people.named(number) for number in (NUMBER, FRIEND, OTHER)]
    assert ranks == {
        person.address(group.server): "superadmin" if person.number == FRIEND else None
        for person in people
    }
    listed = (await asked(JID("", GROUP_SERVER), Node("participating"))).get_child("groups")
    assert [one.attrs["id"] for one in listed.get_children("group")] == [group.id]
    missing = await asked(JID("120363000000000000", GROUP_SERVER), Node("query"))
    assert missing.get_child("error").attrs["code"] == "404"
    unknown = await asked(group.address, Node("sub_groups"))
    assert unknown.get_child("error").attrs["code"] == "501"
    leave = Node("leave", {}, [Node("group", {"id": group.address})])
    await device.send(
        Node(
            "iq", {"to": JID("", GROUP_SERVER), "xmlns": "w:g2", "type": "set", "id": "l"}, [leave]
        )
    )
    assert (await device.next("notification")).get_child("remove") is not None
    forbidden = await asked(group.address, Node("query"))
    while forbidden.attrs["id"] == "l":
        forbidden = await device.next("iq")
    assert forbidden.get_child("error").attrs["code"] == "403"
    await member.write("hello?", "M9")
    assert (await device.next("ack")).attrs["error"] == "403"
    assert NUMBER not in world.groups.named(group.id).members


async def test_a_group_over_the_control_port(device: Device, http: httpx.AsyncClient) -> None:
    made = await http.post(
        "/groups", json={"subject": "Us", "creator": FRIEND, "participants": [f"+{NUMBER}"]}
    )
    group = made.json()
    assert (made.status_code, group["addressing"], group["creator"]) == (201, "lid", FRIEND)
    assert group["participants"] == [
        {"number": NUMBER, "rank": "member"},
        {"number": FRIEND, "rank": "superadmin"},
    ]
    notification = await device.next("notification")
    assert notification.attrs["type"] == "w:gp2"
    node = notification.get_child("create").get_child("group")
    assert node.attrs["subject"] == "Us"
    said = await http.post(f"/contacts/{FRIEND}/say", json={"to": group["id"], "text": "hello"})
    assert said.is_success
    (item,) = (await http.get(f"/contacts/{FRIEND}/said")).json()["items"]
    assert item["to"] == group["id"]
    changed = await http.post(f"/groups/{group['id']}/participants", json={"add": [OTHER]})
    assert {"number": OTHER, "rank": "member"} in changed.json()["participants"]
    assert (await device.next("notification")).get_child("add") is not None
    assert (await http.get(f"/groups/{group['id']}")).json() == changed.json()
    stranger = await http.post(
        "/contacts/15550100009/say", json={"to": group["id"], "text": "hello"}
    )
    assert (stranger.status_code, stranger.json()["code"]) == (404, "no_such_group")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/groups", {"subject": "x"}, 400, "missing_field"),
        ("/groups", {"subject": "", "creator": FRIEND}, 400, "bad_subject"),
        ("/groups", {"subject": "x", "creator": FRIEND, "addressing": "x"}, 400, "bad_addressing"),
        ("/groups", {"subject": "x", "creator": FRIEND, "participants": [1]}, 400, "wrong_type"),
        (
            "/groups",
            {
                "subject": "x",
                "creator": FRIEND,
                "participants": [str(15550200000 + n) for n in range(256)],
            },
            400,
            "too_many",
        ),
        ("/groups/1@g.us/participants", {"add": [FRIEND]}, 404, "no_such_group"),
        (f"/contacts/{FRIEND}/say", {"to": "1@g.us", "text": "x"}, 404, "no_such_group"),
    ],
)
async def test_no_such_group(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
