"""Retry receipts both ways: a device that cannot decrypt a message gets it again under its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.message_handler import MAX_RETRIES
from simulator.server.stanzas import bundle_keys
from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node, bytes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


def say(world: ServerState, text: str, **more: Any) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text, **more)


def reinstall(world: ServerState, *, notify: bool, same_identity: bool = False) -> None:
    with world.store.transaction():
        world.device_changes.reinstall(FRIEND, same_identity=same_identity, notify=notify)


async def ask(
    device: Device, to: Any, message_id: str, *, count: int = 1, keys: Any = None
) -> None:
    content = [Node("retry", {"count": count, "id": message_id, "t": "1", "v": "1"})]
    if keys is not None:
        content.append(Node("keys", {}, bundle_keys(keys)))
    await device.send(Node("receipt", {"to": to, "id": message_id, "type": "retry"}, content))


async def introduced(device: Device, world: ServerState) -> None:
    """A session both ways, so that the next message is no first one."""
    await device.send(await device.message(FRIEND, "one", "M1"))
    say(world, "two")
    assert (await device.read())[1] == "two"


async def test_a_contact_that_forgot_its_sessions_asks_with_keys(
    device: Device, world: ServerState
) -> None:
    await introduced(device, world)
    with world.store.transaction():
        assert world.device_changes.forget(FRIEND, NUMBER) == 1
    stanza = await device.message(FRIEND, "three", "M3")
    assert stanza.get_child("participants").get_child("to").get_child("enc").attrs["type"] == "msg"
    await device.send(stanza)
    while (retry := await device.next("receipt")).attrs.get("type") != "retry":
        pass
    assert retry.get_child("retry").attrs["count"] == "1"
    keys = device.bundle_in(retry.get_child("keys"))
    await device.send(await device.message(FRIEND, "three", "M3", bundle=keys))
    await device.query("w:p", "get")
    assert [item["text"] for item in world.inbox.received(FRIEND)] == ["one", "three"]
    assert world.store.counted(FRIEND, "retries_sent") == 1


async def test_a_forgetful_contact_opens_a_new_session_when_it_speaks(
    device: Device, world: ServerState
) -> None:
    await introduced(device, world)
    with world.store.transaction():
        world.device_changes.forget(FRIEND, NUMBER)
    say(world, "who are you")
    stanza = await device.next("message")
    assert stanza.get_child("enc").attrs["type"] == "pkmsg"
    assert device.decrypt(stanza) == "who are you"


@pytest.mark.parametrize("notify", [True, False])
async def test_a_contact_who_reinstalls(device: Device, world: ServerState, notify: bool) -> None:
    await introduced(device, world)
    with world.store.transaction():
        linked = world.device_changes.link(FRIEND, notify=False)
    before, raw_id = world.endpoints.phone(FRIEND), world.people.named(FRIEND).raw_id
    reinstall(world, notify=notify)
    after = world.endpoints.phone(FRIEND)
    assert after.identity.public != before.identity.public
    assert world.devices.of(FRIEND) == {0: 0}, "the phone had vouched for its linked devices"
    assert world.people.named(FRIEND).raw_id != raw_id
    kinds = {}
    if notify:
        kinds = {(await device.next("notification")).attrs["type"]: number for number in (1, 2)}
    assert set(kinds) == ({"devices", "encrypt"} if notify else set())
    await device.send(await device.message(FRIEND, "three", "M3"))
    while (retry := await device.next("receipt")).attrs.get("type") != "retry":
        pass
    assert bytes_of(retry, "keys", "identity") == after.identity.public
    assert int.from_bytes(bytes_of(retry, "registration"), "big") == after.registration
    assert linked not in world.devices.of(FRIEND)


async def test_only_the_sessions_when_the_identity_is_kept(
    device: Device, world: ServerState
) -> None:
    await introduced(device, world)
    before = world.endpoints.phone(FRIEND).identity.public
    reinstall(world, notify=True, same_identity=True)
    assert world.endpoints.phone(FRIEND).identity.public == before
    assert not world.endpoints.phone(FRIEND).has_session((NUMBER, device.device))
    assert "notification" not in world.queue.counts((NUMBER, device.device))


async def test_a_linked_device_shows_who_vouches_for_it(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        linked = world.device_changes.link(FRIEND, notify=False)
    stanza = await device.message(FRIEND, "hello", "M1", devices=(linked,))
    stanza.content = stanza.content[:1]
    for _ in range(2):
        await device.send(stanza)
    retry = await device.next("receipt")
    assert retry.get_child("keys") is None
    retry = await device.next("receipt")
    endpoint = world.endpoints.get(FRIEND, linked)
    assert endpoint is not None
    assert retry.attrs["from"].device == linked
    assert bytes_of(retry, "keys", "device-identity") == endpoint.adv


async def test_an_account_is_answered_no_more_than_five_times(
    device: Device, world: ServerState
) -> None:
    message_id = say(world, "hello")
    await device.next("message")
    for _ in range(MAX_RETRIES + 2):
        await ask(device, JID(FRIEND), message_id, keys=device.signal.bundle())
    for _ in range(MAX_RETRIES):
        assert device.decrypt(await device.next("message")) == "hello"
    with pytest.raises(TimeoutError):
        await device.next("message", 0.3)
    assert world.sent.of(FRIEND)[0]["retries"] == MAX_RETRIES
    assert world.store.counted(NUMBER, "retries") == MAX_RETRIES + 2


@pytest.mark.parametrize("count", ["0", "6", "-1", "many", ""])
async def test_a_count_that_no_client_sends_is_not_answered(
    device: Device, world: ServerState, count: Any
) -> None:
    message_id = say(world, "hello")
    await device.next("message")
    await ask(device, JID(FRIEND), message_id, count=count)
    with pytest.raises(TimeoutError):
        await device.next("message", 0.3)


async def test_only_who_got_a_message_is_answered_and_only_by_who_sent_it(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    stranger = await paired(OTHER)
    with world.store.transaction():
        linked = world.device_changes.link(FRIEND, notify=False)
    message_id = say(world, "from the desk", device=linked)
    stanza = await device.next("message")
    await ask(device, JID(FRIEND), message_id)
    await ask(stranger, stanza.attrs["from"], message_id)
    await ask(device, stanza.attrs["from"], "UNHEARD-OF")
    for one in (device, stranger):
        with pytest.raises(TimeoutError):
            await one.next("message", 0.2)
    await ask(device, stanza.attrs["from"], message_id, keys=device.signal.bundle())
    again = await device.next("message")
    assert (again.attrs["id"], again.attrs["from"].device) == (message_id, linked)
    assert device.decrypt(again) == "from the desk"


@pytest.mark.parametrize("keys_of_another", [True, False])
async def test_without_usable_keys_the_second_time_takes_a_prekey(
    device: Device, world: ServerState, keys_of_another: bool
) -> None:
    message_id = say(world, "hello")
    await device.next("message")
    left = world.companions.prekey_count(world.companions.of(NUMBER)[0])
    keys = world.endpoints.phone(OTHER).bundle() if keys_of_another else None
    await ask(device, JID(FRIEND), message_id, count=2, keys=keys)
    assert device.decrypt(await device.next("message")) == "hello"
    assert world.companions.prekey_count(world.companions.of(NUMBER)[0]) == left - 1


async def test_the_own_phones_message_is_a_copy_and_can_be_asked_for(
    device: Device, world: ServerState
) -> None:
    with world.store.transaction():
        message_id = world.contact_behaviour.say(NUMBER, FRIEND, "from my pocket")
    copy = await device.next("message")
    assert str(copy.attrs["recipient"]) == f"{FRIEND}@s.whatsapp.net"
    assert copy.attrs["from"] == JID(NUMBER)
    await ask(device, copy.attrs["from"], message_id, keys=device.signal.bundle())
    again = await device.next("message")
    assert (again.attrs["id"], device.decrypt(again)) == (message_id, "from my pocket")
    (item,) = world.inbox.received(FRIEND)
    assert (item["id"], item["text"], item["deliveries"]) == (message_id, "from my pocket", 1)
    delivered = await device.next("receipt")
    assert (delivered.attrs["id"], delivered.attrs["from"]) == (message_id, JID(FRIEND))


async def test_addressing_switches_within_a_conversation(
    device: Device, world: ServerState
) -> None:
    friend = world.people.named(FRIEND)
    phone, hidden = JID(FRIEND), friend.address(LID_SERVER)
    for mode, shown, beside in ((LID_SERVER, hidden, "sender_pn"), ("", phone, "sender_lid")):
        world.people.change(FRIEND, {"addressing": mode})
        say(world, mode)
        stanza = await device.next("message")
        assert stanza.attrs["from"] == shown
        assert stanza.attrs[beside] == (phone if mode else hidden)
        assert stanza.attrs.get("addressing_mode") == ("lid" if mode else None)
        assert device.decrypt(stanza) == mode
    # a receipt too, in either addressing mode
    world.people.change(FRIEND, {"addressing": LID_SERVER})
    await device.send(await device.message(FRIEND, "hello", "M1"))
    assert (await device.next("receipt")).attrs["from"] == hidden
    # and the copies of what the own phone says to that chat
    with world.store.transaction():
        world.contact_behaviour.say(NUMBER, FRIEND, "mine")
    copy = await device.next("message")
    assert (copy.attrs["recipient"], copy.attrs["peer_recipient_pn"]) == (hidden, phone)
    assert copy.attrs["from"] == world.people.named(NUMBER).address(LID_SERVER)
    assert device.decrypt(copy) == "mine"


async def test_a_contact_without_one_time_prekeys(device: Device, world: ServerState) -> None:
    world.people.change(FRIEND, {"prekeys": 1})
    assert (await device.bundle(FRIEND)).prekey_id is not None
    assert (await device.bundle(FRIEND)).prekey_id is None
    await device.send(await device.message(FRIEND, "hello", "M1"))
    await device.next("ack")
    assert [item["text"] for item in world.inbox.received(FRIEND)] == ["hello"]


@pytest.mark.parametrize("kept", [0, 3])
async def test_the_server_loses_prekeys_and_says_so(
    device: Device, world: ServerState, kept: int
) -> None:
    companion = world.companions.of(NUMBER)[0]
    with world.store.transaction():
        assert world.prekeys.trim(companion, kept) == kept
    told = await device.next("notification")
    assert (told.attrs["type"], told.get_child("count").attrs["value"]) == ("encrypt", str(kept))
    answer = await device.query("encrypt", "get", Node("count"))
    assert answer.get_child("count").attrs["value"] == str(kept)
    answer = await device.query("encrypt", "get", Node("digest"))
    left = answer.get_child("digest").get_child("list").get_children("id")
    ids = [int.from_bytes(one.content, "big") for one in left]
    assert ids == list(range(11 - kept, 11)), "the newest are left"
    # said again when asked to, although the client did not acknowledge the first
    with world.store.transaction():
        world.prekeys.trim(companion, kept)
    assert (await device.next("notification")).attrs["id"] != told.attrs["id"]
    for number in range(kept + 1):
        with world.store.transaction():
            world.contact_behaviour.say(f"1555010001{number}", NUMBER, "hello")
        assert (await device.read())[1] == "hello"


def spoiled(part: Any) -> Any:
    enc = part.get_child("enc")
    enc.content = enc.content[:-20] + bytes([enc.content[-20] ^ 1]) + enc.content[-19:]
    return part


async def next_retry(device: Device) -> Any:
    while (retry := await device.next("receipt")).attrs.get("type") != "retry":
        pass
    return retry


@pytest.mark.parametrize("server", [PN_SERVER, LID_SERVER])
async def test_the_own_phone_names_the_chat_each_time_it_asks(
    device: Device, world: ServerState, server: str
) -> None:
    """`recipient` is the contact's, as in the copy, also when what it asks about is an answer."""
    friend = world.people.named(FRIEND).address(server)
    stanza = await device.message(FRIEND, "from the desk", "M1")
    copy = device.own_copy("from the desk", FRIEND)
    stanza.get_child("participants").content.append(spoiled(await device.part(NUMBER, 0, copy)))
    device.readdress(stanza, server)
    await device.send(stanza)
    for count in (1, 2):
        retry = await next_retry(device)
        assert retry.get_child("retry").attrs["count"] == str(count)
        assert (retry.attrs["from"].user, retry.attrs["recipient"]) == (
            world.people.named(NUMBER).address(server).user,
            friend,
        )
        assert "participant" not in retry.attrs
        keys = retry.get_child("keys")
        part = await device.part(NUMBER, 0, copy, None if keys is None else device.bundle_in(keys))
        answer = part.get_child("enc") if count == 2 else spoiled(part).get_child("enc")
        attrs = {"to": retry.attrs["from"], "recipient": retry.attrs["recipient"], "id": "M1"}
        identity = Node("device-identity", {}, device.identity_bytes)
        await device.send(Node("message", attrs, [answer, identity]))
    await device.query("w:p", "get")
    (seen,) = world.inbox.copies(NUMBER)
    assert (seen["id"], seen["to"], seen["text"]) == ("M1", FRIEND, "from the desk")


async def test_a_further_companion_learns_the_chat_of_an_answer(
    device: Device, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(NUMBER)
    stanza = await device.message(FRIEND, "from the desk", "M1")
    copy = device.own_copy("from the desk", FRIEND)
    part = spoiled(await device.part(NUMBER, other.device, copy))
    stanza.get_child("participants").content.append(part)
    await device.send(stanza)
    got = await other.next("message")
    for _ in range(2):
        assert got.attrs["recipient"] == JID(FRIEND)
        assert got.attrs["peer_recipient_lid"].user == device.world.people.named(FRIEND).lid
        attrs = {"to": got.attrs["from"], "recipient": JID(FRIEND), "id": "M1", "type": "retry"}
        asked = Node("retry", {"count": 1, "id": "M1", "t": "1", "v": "1"})
        await other.send(Node("receipt", attrs, [asked]))
        retry = await next_retry(device)
        assert (retry.attrs["from"].device, retry.attrs["recipient"]) == (
            other.device,
            JID(FRIEND),
        )
        answer = await device.part(NUMBER, other.device, copy, other.signal.bundle())
        attrs = {"to": retry.attrs["from"], "recipient": retry.attrs["recipient"], "id": "M1"}
        await device.send(Node("message", attrs, [answer.get_child("enc")]))
        got = await other.next("message")
    assert other.decrypt(got) == "from the desk"


@pytest.mark.parametrize(
    ("receipts", "expected"), [("none", []), ("delivered", [""]), ("read", ["", "read"])]
)
async def test_a_contacts_receipts_for_the_phones_message_reach_all_own_devices(
    device: Device,
    world: ServerState,
    paired: Callable[[str], Awaitable[Device]],
    receipts: str,
    expected: list[str],
) -> None:
    """The same to each companion as for a message of its own, and the phone knows it, too."""
    companions = [device, await paired(NUMBER)]
    world.people.change(FRIEND, {"receipts": receipts, "read_after": 0.4})
    with world.store.transaction():
        message_id = world.contact_behaviour.say(NUMBER, FRIEND, "from my pocket")
    (said,) = world.sent.of(NUMBER)
    assert (said["delivered"], said["read"]) == (False, False)
    for companion in companions:
        for kind in expected:
            receipt = await companion.next("receipt")
            assert receipt.attrs.pop("t")
            more = {"type": kind} if kind else {}
            assert receipt.attrs == {"from": JID(FRIEND), "id": message_id, **more}
            assert not receipt.content
    (said,) = world.sent.of(NUMBER)
    assert (said["delivered"], said["read"]) == ("" in expected, "read" in expected)


async def test_a_companions_receipt_for_the_phones_message_reaches_all_own_devices(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    """The contact's phone is played and silent here, their companion is not."""
    world.people.change(FRIEND, {"receipts": "none"})
    friend, other = await paired(FRIEND), await paired(NUMBER)
    with world.store.transaction():
        message_id = world.contact_behaviour.say(NUMBER, FRIEND, "from my pocket")
    assert await friend.read() == (message_id, "from my pocket")
    await friend.send(Node("receipt", {"id": message_id, "to": JID(NUMBER), "type": "read"}))
    for companion in (device, other):
        for kind in (None, "read"):
            receipt = await companion.next("receipt")
            assert (receipt.attrs["id"], receipt.attrs.get("type")) == (message_id, kind)
            assert receipt.attrs["from"] == JID(FRIEND, device=friend.device)
            assert "recipient" not in receipt.attrs
    (said,) = world.sent.of(NUMBER)
    assert (said["delivered"], said["read"]) == (True, True)
