"""App state: keys, settings and their MACs, between an account's phone and its companions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pywhats.appstate.keys import AppStateSyncKey
from pywhats.appstate.patches import HashState

from simulator.phones.app_state import collections, patches, queries
from simulator.server_state import ServerState
from simulator.wire.proto_schema import Message, SyncActionValue
from simulator.wire.protocol_library import (
    JID,
    Node,
    SyncdPatch,
    subtract_then_add,
)
from tests.unit.simulator.phones.replica import Replica, new_versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import httpx

    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SETTINGS = f"/phones/{NUMBER}/app-state"
CHAT = f"{FRIEND}@s.whatsapp.net"


async def test_a_phone_shares_its_keys_and_name(
    paired: Callable[[str], Awaitable[Device]], world: ServerState
) -> None:
    device, other = await paired(NUMBER), await paired(NUMBER)
    assert len(device.sync_keys) == 1
    assert device.sync_keys == other.sync_keys
    assert world.queue.counts((NUMBER, device.device)).get("message", 0) == 0
    (name,) = await Replica(other, "critical_block").restore()
    assert name.index == ["setting_pushName"]
    assert name.action.push_name_setting.name == "Person 0001"
    stranger = await paired(FRIEND)
    assert list(device.sync_keys.values()) != list(stranger.sync_keys.values())


CHANGES: list[tuple[dict[str, Any], str, list[str], dict[str, Any]]] = [
    (
        {"type": "contact", "chat": FRIEND, "name": "Ana Lima"},
        "critical_unblock_low",
        ["contact", CHAT],
        {"contact_action": {"full_name": "Ana Lima", "first_name": "Ana"}},
    ),
    (
        {"type": "archive", "chat": FRIEND},
        "regular_low",
        ["archive", CHAT],
        {"archive_chat_action": {"archived": True}},
    ),
    (
        {"type": "pin", "chat": FRIEND, "pinned": False},
        "regular_low",
        ["pin_v1", CHAT],
        {"pin_action": {"pinned": False}},
    ),
    (
        {"type": "read", "chat": FRIEND},
        "regular_low",
        ["markChatAsRead", CHAT],
        {"mark_chat_as_read_action": {"read": True}},
    ),
    (
        {"type": "mute", "chat": FRIEND},
        "regular_high",
        ["mute", CHAT],
        {"mute_action": {"muted": True, "mute_end_timestamp": -1}},
    ),
    (
        {"type": "mute", "chat": FRIEND, "until": 1_790_000_000.5},
        "regular_high",
        ["mute", CHAT],
        {"mute_action": {"muted": True, "mute_end_timestamp": 1_790_000_000_500}},
    ),
    (
        {"type": "star", "chat": FRIEND, "message": "M1"},
        "regular_high",
        ["star", CHAT, "M1", "0", "0"],
        {"star_action": {"starred": True}},
    ),
    (
        {"type": "label", "label": "5", "name": "New customer", "color": 2},
        "regular",
        ["label_edit", "5"],
        {"label_edit_action": {"name": "New customer", "color": 2, "deleted": False}},
    ),
    (
        {"type": "label_chat", "label": "5", "chat": FRIEND},
        "regular",
        ["label_jid", "5", CHAT],
        {"label_association_action": {"labeled": True}},
    ),
    (
        {"type": "push_name", "name": "Ana"},
        "critical_block",
        ["setting_pushName"],
        {"push_name_setting": {"name": "Ana"}},
    ),
]


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case[0]["type"])
async def test_what_the_owner_sets_reaches_the_companions(
    paired: Callable[[str], Awaitable[Device]],
    http: httpx.AsyncClient,
    case: tuple[dict[str, Any], str, list[str], dict[str, Any]],
) -> None:
    body, collection, index, fields = case
    device = await paired(NUMBER)
    replica = Replica(device, collection)
    replica.take(await replica.ask())
    answer = await http.post(SETTINGS, json=body)
    version = replica.state.version + 1
    assert answer.json() == {"collection": collection, "version": version}
    assert await new_versions(device) == {collection: version}
    (change,) = replica.take(await replica.ask())
    assert change.index == index
    value = SyncActionValue.FromString(change.action.SerializeToString())
    ((action, expected),) = fields.items()
    part = getattr(value, action)
    assert {name: getattr(part, name) for name in expected} == expected
    assert value.timestamp > 1_700_000_000_000
    shown = next(
        one
        for one in (await http.get(SETTINGS)).json()["settings"]
        if (one["collection"], one["type"]) == (collection, body["type"])
    )
    assert {name: shown[name] for name in body} == body


async def test_a_setting_changes_and_goes(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device = await paired(NUMBER)
    replica = Replica(device, "critical_unblock_low")
    body = {"type": "contact", "chat": FRIEND, "addressing": "lid"}
    for more in ({"name": "Ana"}, {"name": "Ana Lima"}, {"remove": True}, {"remove": True}):
        assert (await http.post(SETTINGS, json={**body, **more})).status_code == 201
    changes = replica.take(await replica.ask())
    assert [one.operation for one in changes] == [
        patches.SET_OPERATION,
        patches.SET_OPERATION,
        patches.REMOVE,
    ]
    assert {one.index[1] for one in changes} == {device.world.people.named(FRIEND).addresses()[1]}
    assert replica.macs == {}
    left = [one["type"] for one in (await http.get(SETTINGS)).json()["settings"]]
    assert left == ["push_name", "salt"]


async def test_what_a_companion_sets_is_seen_at_the_phone(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device, other = await paired(NUMBER), await paired(NUMBER)
    replica, elsewhere = Replica(device, "regular_low"), Replica(other, "regular_low")
    answer = await replica.write(replica.patch("pin_v1", CHAT))
    assert (answer.attrs["type"], answer.attrs["version"]) == ("result", "1")
    passed = list(device.passed)
    await device.query("w:p", "get")
    kinds = [one.attrs.get("type") for one in passed + device.passed]
    assert "server_sync" not in kinds  # the author is not notified
    assert await new_versions(other) == {"regular_low": 1}
    (change,) = elsewhere.take(await elsewhere.ask())
    assert change.index == ["pin_v1", CHAT]
    (shown,) = [one for one in (await http.get(SETTINGS)).json()["settings"] if "pinned" in one]
    assert (shown["type"], shown["chat"], shown["pinned"]) == ("pin", FRIEND, True)
    (own,) = replica.take(await replica.ask())
    assert own.value_mac == change.value_mac


async def test_a_companion_names_the_account(
    paired: Callable[[str], Awaitable[Device]], world: ServerState
) -> None:
    device = await paired(NUMBER)
    replica = Replica(device, "critical_block")
    await replica.restore()
    for name, called in (("Shop", "Shop"), ("x" * 255, "Shop"), ("me@home", "Shop"), ("Us", "Us")):
        patch = replica.patch("setting_pushName", push_name_setting={"name": name})
        assert (await replica.write(patch)).attrs["type"] == "result"
        replica.take(await replica.ask())
        assert world.people.named(NUMBER).name == called


async def test_a_conflict_brings_what_was_missed(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device = await paired(NUMBER)
    replica = Replica(device, "regular_low")
    await http.post(SETTINGS, json={"type": "pin", "chat": FRIEND})
    answer = await replica.write(replica.patch("pin_v1", CHAT, pin_action={"pinned": False}))
    assert answer.attrs["type"] == "error"
    assert answer.get_child("error").attrs["code"] == "409"
    (missed,) = replica.take(answer)
    assert missed.action.pin_action.pinned
    again = await replica.write(replica.patch("pin_v1", CHAT, pin_action={"pinned": False}))
    assert (again.attrs["type"], again.attrs["version"]) == ("result", "2")
    (shown,) = [one for one in (await http.get(SETTINGS)).json()["settings"] if "pinned" in one]
    assert shown["pinned"] is False


def spoil(blob: bytes, at: int) -> bytes:
    return blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]


@pytest.mark.parametrize(
    "part",
    ["value", "value_mac", "index", "snapshot_mac", "patch_mac", "key", "twice", "empty", "bytes"],
)
async def test_a_patch_that_no_device_would_apply_is_refused(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient, part: str
) -> None:
    device = await paired(NUMBER)
    replica = Replica(device, "regular_low")
    patch = replica.patch("pin_v1", CHAT)
    record = patch.mutations[0].record
    match part:
        case "value":
            record.value.blob = spoil(record.value.blob, 20)
        case "value_mac":
            record.value.blob = spoil(record.value.blob, -2)
        case "index":
            record.index.blob = spoil(record.index.blob, 0)
        case "key":
            patch.key_id.id = b"another"
        case "twice":
            # as it would be right for a client that does not mind
            key_id, key = next(iter(device.sync_keys.items()))
            first = patches.value_mac(record)
            patch.mutations.append(patch.mutations[0])
            whole = HashState(1, subtract_then_add(replica.state.hash, added=[first], removed=[]))
            patches.sign(patch, replica.name, whole, AppStateSyncKey(key_id, key, b"", 0))
        case "empty":
            del patch.mutations[:]
        case "snapshot_mac" | "patch_mac":
            setattr(patch, part, spoil(getattr(patch, part), 0))
    content = b"\xff" if part == "bytes" else patch.SerializeToString()
    answer = await replica.ask(Node("patch", {}, content))
    assert answer.get_child("error").attrs["code"] == "400"
    state = (await http.get(SETTINGS)).json()
    assert (state["patches_refused"], state["collections"]["regular_low"]) == (1, 0)
    replica = Replica(device, "regular_low")
    assert (await replica.write(replica.patch("pin_v1", CHAT))).attrs["type"] == "result"


async def test_patches_come_in_pages(
    paired: Callable[[str], Awaitable[Device]],
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "PATCH_PAGE", 2)
    device = await paired(NUMBER)
    replica = Replica(device, "regular")
    for label in "12345":
        await http.post(SETTINGS, json={"type": "label", "label": label, "name": "New"})
    seen, pages = [], 0
    while True:
        answer = await replica.ask()
        seen += [one.index[1] for one in replica.take(answer)]
        pages += 1
        if answer.attrs.get("has_more_patches") != "true":
            break
    assert ("".join(seen), pages) == ("12345", 3)


@pytest.mark.parametrize(("every", "seen"), [(1, "23"), (3, "223"), (9, "11223")])
async def test_a_snapshot_and_what_came_after_it(
    paired: Callable[[str], Awaitable[Device]],
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    every: int,
    seen: str,
) -> None:
    """Only what is still set is in it; the patches that follow are verified on its LTHash."""
    monkeypatch.setattr(collections, "SNAPSHOT_EVERY", every)
    device = await paired(NUMBER)
    replica, follower = Replica(device, "regular"), Replica(device, "regular")
    named = {"type": "label", "name": "New"}
    for label, more in (("1", {}), ("2", {}), ("1", {"remove": True}), ("2", {}), ("3", {})):
        await http.post(SETTINGS, json={**named, "label": label, **more})
    follower.take(await follower.ask())
    restored = await replica.restore()
    assert replica.state == follower.state
    assert replica.macs == follower.macs
    assert "".join(sorted(one.index[1] for one in restored)) == seen


async def test_a_companion_asks_for_a_key_that_it_lacks(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device = await paired(NUMBER)
    await http.post(SETTINGS, json={"type": "pin", "chat": FRIEND})
    await http.post(f"{SETTINGS}/keys", json={"share": False})
    await http.post(SETTINGS, json={"type": "pin", "chat": FRIEND, "pinned": False})
    replica = Replica(device, "regular_low")
    answer = await replica.ask()
    lacking = SyncdPatch.FromString(answer.get_child("patches").get_children()[-1].content)
    assert lacking.key_id.id not in device.sync_keys
    request = Message()
    request.protocol_message.type = request.protocol_message.APP_STATE_SYNC_KEY_REQUEST
    for key_id in (lacking.key_id.id, b"nobody's"):
        request.protocol_message.app_state_sync_key_request.key_ids.add(key_id=key_id)
    part = await device.part(NUMBER, 0, request)
    attrs = {"to": JID(NUMBER), "id": "K1", "category": "peer", "type": "text"}
    await device.send(Node("message", attrs, [part.get_child("enc")]))
    await device.take_keys(await device.next("message"))
    changes = replica.take(answer)
    # under another key the index is sealed otherwise: the old record goes
    assert [one.operation for one in changes] == [
        patches.SET_OPERATION,
        patches.REMOVE,
        patches.SET_OPERATION,
    ]
    assert len(replica.macs) == 1
    state = (await http.get(SETTINGS)).json()
    assert (len(state["keys"]), state["keys_requested"]) == (2, 1)
    assert [one["pinned"] for one in state["settings"] if "pinned" in one] == [False]
    await http.post(f"{SETTINGS}/keys")
    await device.take_keys(await device.next("message"))
    keys = (await http.get(SETTINGS)).json()["keys"]
    assert sorted(key.hex() for key in device.sync_keys) == keys


async def test_a_companion_asks_another_companion(
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    """As whatsapp-rust does it: all own devices are asked, not the phone alone."""
    device, other = await paired(NUMBER), await paired(NUMBER)
    request = Message()
    request.protocol_message.type = request.protocol_message.APP_STATE_SYNC_KEY_REQUEST
    part = await device.part(NUMBER, other.device, request)
    attrs = {"to": JID(NUMBER, device=other.device), "id": "K1", "category": "peer"}
    identity = Node("device-identity", {}, device.identity_bytes)
    await device.send(Node("message", attrs, [part.get_child("enc"), identity]))
    stanza = await other.next("message")
    assert (stanza.attrs["category"], "recipient" in stanza.attrs) == ("peer", False)
    asked = other.message_in(stanza).protocol_message
    assert asked.type == asked.APP_STATE_SYNC_KEY_REQUEST


async def test_it_outlives_the_simulator(
    paired: Callable[[str], Awaitable[Device]],
    http: httpx.AsyncClient,
    world: ServerState,
    tmp_path: Path,
) -> None:
    await paired(NUMBER)
    await http.post(SETTINGS, json={"type": "pin", "chat": FRIEND})
    before = world.app_state.settings.shown(NUMBER)
    again = ServerState(tmp_path / "world")
    assert again.app_state.settings.shown(NUMBER) == before
    again.close()
