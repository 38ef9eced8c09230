"""Queries: prekeys, their digest, the directory, and what else a client asks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.proto_schema import ADVKeyIndexList
from simulator.wire.protocol_library import (
    JID,
    LID_SERVER,
    SERVER,
    ADVSignedKeyIndexList,
    Node,
    bytes_of,
    xeddsa_verify,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


async def test_digest_of_the_whole_bundle(device: Device) -> None:
    digest = (await device.query("encrypt", "get", Node("digest"))).get_child("digest")
    ids = [int.from_bytes(one.content, "big") for one in digest.get_child("list").content]
    assert ids == list(range(2, 11)), "all but the one that the phone took to share its keys"
    keys = device.world.store.rows("SELECT public FROM prekeys ORDER BY id")
    signed = device.signal.signed_prekey
    material = device.signal.identity.public + signed.public + signed.signature
    material += b"".join(bytes(row["public"]) for row in keys)
    expected = hashlib.sha1(material, usedforsecurity=False).digest()
    assert bytes_of(digest, "hash") == expected
    registration = int.from_bytes(bytes_of(digest, "registration"), "big")
    assert registration == device.signal.registration
    assert bytes_of(digest, "skey", "signature") == signed.signature


async def test_digest_before_any_upload(new_device: Callable[[], Device]) -> None:
    device = new_device()
    await device.pair(NUMBER, prekeys=0)
    device.world.store.execute("UPDATE companions SET uploaded = 0")
    device.world.companions._cache.clear()
    answer = await device.query("encrypt", "get", Node("digest"))
    assert (answer.attrs["type"], answer.get_child("error").attrs["code"]) == ("error", "404")


async def test_prekeys_are_given_once_and_their_lack_is_notified(
    device: Device, world: ServerState
) -> None:
    async def count() -> int:
        answer = await device.query("encrypt", "get", Node("count"))
        return int(answer.get_child("count").attrs["value"])

    assert await count() == 9  # the phone took one to share its keys
    for index in range(5):
        with world.store.transaction():
            world.contact_behaviour.say(f"1555010001{index}", NUMBER, "opens a session")
    low = await device.next("notification")
    assert (low.attrs["type"], low.get_child("count").attrs["value"]) == ("encrypt", "4")
    assert await count() == 4
    # notified once, until it is acknowledged
    with world.store.transaction():
        world.contact_behaviour.say("15550100020", NUMBER, "opens a session")
    assert world.queue.counts((NUMBER, device.device))["notification"] == 1
    await device.send(
        Node(
            "ack",
            {
                "class": "notification",
                "type": "encrypt",
                "id": low.attrs["id"],
                "to": low.attrs["from"],
            },
        )
    )
    await device.upload(10)
    assert await count() == 13
    assert "notification" not in world.queue.counts((NUMBER, device.device))


async def test_without_prekeys_a_session_opens_all_the_same(
    new_device: Callable[[], Device],
) -> None:
    device = new_device()
    await device.pair(NUMBER, prekeys=0)
    with device.world.store.transaction():
        message_id = device.world.contact_behaviour.say(FRIEND, NUMBER, "hello")
    assert await device.read() == (message_id, "hello")


async def test_another_identity_cannot_upload(device: Device) -> None:
    answer = await device.query(
        "encrypt", "set", Node("identity", {}, bytes(32)), Node("list", {}, [])
    )
    assert answer.get_child("error").attrs["code"] == "406"


async def test_a_rotated_prekey_must_be_signed(device: Device, world: ServerState) -> None:
    def skey(signature: bytes) -> Node:
        parts = {"id": b"\0\0\x02", "value": public, "signature": signature}
        return Node("skey", {}, [Node(tag, {}, value) for tag, value in parts.items()])

    public = device.signal.bundle().prekey
    assert public is not None
    genuine = device.signal.identity.sign(b"\x05" + public)
    refused = await device.query("encrypt", "set", Node("rotate", {}, [skey(bytes(64))]))
    assert refused.get_child("error").attrs["code"] == "406"
    taken = await device.query("encrypt", "set", Node("rotate", {}, [skey(genuine)]))
    assert taken.attrs["type"] == "result"
    companion = world.companions.get(NUMBER, device.device)
    assert companion is not None
    assert (companion.skey_id, companion.skey) == (2, public)


def usync(*protocols: Node, user: Node) -> Node:
    attrs = {"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "message"}
    return Node("usync", attrs, [Node("query", {}, list(protocols)), Node("list", {}, [user])])


async def test_devices_are_vouched_for_by_the_phone(device: Device, world: ServerState) -> None:
    query = usync(Node("devices", {"version": "2"}), Node("lid"), user=_user(NUMBER))
    answer = await device.query("usync", "get", query)
    user = answer.get_child("usync").get_child("list").get_child("user")
    listed = user.get_child("devices").get_child("device-list").get_children("device")
    assert [one.attrs for one in listed] == [
        {"id": "0"},
        {"id": str(device.device), "key-index": str(device.device)},
    ]
    signed = ADVSignedKeyIndexList.FromString(bytes_of(user, "devices", "key-index-list"))
    phone = world.endpoints.phone(NUMBER).identity.public
    assert xeddsa_verify(phone, b"\x06\x02" + signed.details, signed.account_signature)
    details = ADVKeyIndexList.FromString(signed.details)
    assert list(details.valid_indexes) == [0, device.device]
    assert details.raw_id == world.people.named(NUMBER).raw_id
    lid = user.get_child("lid").attrs["val"]
    assert (lid.user, lid.server) == (world.people.named(NUMBER).lid, LID_SERVER)


async def test_devices_by_lid(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        linked = world.device_changes.link(FRIEND, notify=False)
    hidden = world.people.named(FRIEND).address(LID_SERVER)
    query = usync(Node("devices", {"version": "2"}), user=Node("user", {"jid": hidden}))
    answer = await device.query("usync", "get", query)
    user = answer.get_child("usync").get_child("list").get_child("user")
    assert user.attrs["jid"] == hidden
    listed = user.get_child("devices").get_child("device-list").get_children("device")
    assert [one.attrs["id"] for one in listed] == ["0", str(linked)]
    bundle = await device.query(
        "encrypt",
        "get",
        Node("key", {}, [Node("user", {"jid": JID(hidden.user, LID_SERVER, linked)})]),
    )
    endpoint = world.endpoints.get(FRIEND, linked)
    assert endpoint is not None
    found = bundle.get_child("list").get_child("user")
    assert bytes_of(found, "identity") == endpoint.identity.public


def _user(number: str) -> Node:
    return Node("user", {"jid": JID(number)})


@pytest.mark.parametrize("registered", [True, False])
async def test_number_check(device: Device, world: ServerState, registered: bool) -> None:
    world.people.change(FRIEND, {"registered": registered})
    contact = Node("contact", {}, f"+{FRIEND}".encode())
    query = usync(Node("contact"), user=Node("user", {}, [contact]))
    answer = await device.query("usync", "get", query)
    user = answer.get_child("usync").get_child("list").get_child("user")
    assert user.get_child("contact").attrs["type"] == ("in" if registered else "out")
    assert str(user.attrs["jid"]) == f"{FRIEND}@s.whatsapp.net"


async def test_bundles_of_nobody(device: Device, world: ServerState) -> None:
    world.people.change(FRIEND, {"registered": False})
    for jid in (JID(FRIEND), JID(NUMBER, device=77), JID("1", LID_SERVER)):
        query = Node("key", {}, [Node("user", {"jid": jid})])
        answer = await device.query("encrypt", "get", query)
        error = answer.get_child("list").get_child("user").get_child("error")
        assert error.attrs["code"] == "404"


@pytest.mark.parametrize(
    ("space", "kind", "result"),
    [
        ("w:p", "get", "result"),
        ("privacy", "get", "result"),
        ("abt", "get", "result"),
        ("blocklist", "get", "result"),
        ("w:m", "set", "result"),
        ("tos", "get", "result"),
        ("passive", "set", "result"),
        ("w:profile:picture", "get", "error"),
        ("encrypt", "get", "error"),
        ("usync", "get", "error"),
        ("w:sync:app:state", "set", "error"),
        ("w:unheard-of", "get", "error"),
    ],
)
async def test_every_query_is_answered(device: Device, space: str, kind: str, result: str) -> None:
    assert (await device.query(space, kind)).attrs["type"] == result


async def test_logging_itself_out(device: Device, world: ServerState) -> None:
    await device.query("md", "set", Node("remove-companion-device", {"reason": "user_initiated"}))
    error = await device.next("stream:error")
    assert error.attrs["code"] == "401"
    assert error.get_child("conflict").attrs["type"] == "device_removed"
    assert world.companions.of(NUMBER) == ()
    assert (await device.login()).tag == "failure"


async def test_a_query_for_keys_is_refused(device: Device, world: ServerState) -> None:
    world.faults.request({"account": NUMBER, "kind": "refuse_prekeys", "count": 1})
    query = Node("key", {}, [Node("user", {"jid": JID(FRIEND)})])
    answer = await device.query("encrypt", "get", query)
    assert answer.get_child("error").attrs["code"] == "503"
    answer = await device.query("encrypt", "get", query)
    assert answer.get_child("list") is not None


@pytest.mark.parametrize(
    ("fault", "listed"),
    [
        ({}, None),
        ({"contact": FRIEND}, None),
        ({"contact": FRIEND, "device": 0}, ["1"]),
        ({"contact": "15550100009"}, ["0", "1"]),
    ],
)
async def test_a_device_list_lacks_a_person_or_a_device(
    device: Device, world: ServerState, fault: dict[str, Any], listed: list[str] | None
) -> None:
    with world.store.transaction():
        world.device_changes.link(FRIEND, notify=False)
    world.faults.request({"account": NUMBER, "kind": "omit_devices", **fault})
    for user, expected in ((FRIEND, listed), (NUMBER, ["0", str(device.device)])):
        query = usync(Node("devices", {"version": "2"}), user=_user(user))
        answer = await device.query("usync", "get", query)
        found = answer.get_child("usync").get_child("list").get_child("user")
        devices = found and found.get_child("devices").get_child("device-list").get_children()
        assert (devices and [one.attrs["id"] for one in devices]) == expected
    lookup = usync(Node("contact"), user=_user(FRIEND))
    answer = await device.query("usync", "get", lookup)
    assert answer.get_child("usync").get_child("list").get_child("user") is not None


async def test_queries_for_devices_and_keys_are_answered_later(
    device: Device, world: ServerState
) -> None:
    fault = world.faults.request({"account": NUMBER, "kind": "delay_queries", "seconds": 0.2})
    devices = usync(Node("devices", {"version": "2"}), user=_user(FRIEND))
    keys = Node("key", {}, [Node("user", {"jid": JID(FRIEND)})])
    for query_id, space, content in (
        ("devices", "usync", [devices]),
        ("keys", "encrypt", [keys]),
        ("count", "encrypt", [Node("count")]),
        ("ping", "w:p", []),
    ):
        attrs = {"id": query_id, "xmlns": space, "type": "get", "to": SERVER}
        await device.send(Node("iq", attrs, content))
    answers = [(await device.next("iq")).attrs["id"] for _ in range(4)]
    assert answers == ["count", "ping", "devices", "keys"]
    assert fault.struck == 2
