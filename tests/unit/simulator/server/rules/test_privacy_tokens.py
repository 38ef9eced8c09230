"""Privacy tokens: who issues them to whom, which count, and what is refused without one."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import pytest

from simulator.phones.app_state import patches
from simulator.server.rules import privacy_tokens
from simulator.server.rules.properties import CONTACT
from simulator.wire.proto_schema import HistorySync, SyncActionValue
from simulator.wire.protocol_library import JID, LID_SERVER, Node
from tests.unit.simulator.phones.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

SALTS = ("regular_high", ["nct_salt_sync"])
NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
WEEK = 7 * 86400


@pytest.fixture
async def device(world: ServerState, paired: Callable[[str], Awaitable[Device]]) -> Device:
    world.properties.change(FRIEND, {"token_needed": True}, CONTACT)
    return await paired(NUMBER)


async def send(device: Device, message_id: str, *shown: Any) -> str | None:
    """The error with which a message to the friend is acknowledged; None where it was accepted."""
    message = await device.message(FRIEND, "hello", message_id)
    message.content = [*message.content, *shown]
    await device.send(message)
    while (ack := await device.next("ack")).attrs["id"] != message_id:
        pass
    error = ack.attrs.get("error")
    return None if error is None else str(error)


async def token(device: Device) -> tuple[Any, Any]:
    """The next notification of a token, and the token in it."""
    while (stanza := await device.next("notification")).attrs["type"] != "privacy_token":
        pass
    return stanza, stanza.get_child("tokens").get_child("token")


async def test_a_message_without_a_token_is_refused(device: Device, world: ServerState) -> None:
    assert await send(device, "M1") == "463"
    assert await send(device, "M2", Node("tctoken", {}, b"made up")) == "463"
    assert world.reach_out.refused(NUMBER) == {"463": 2}
    assert world.inbox.received(FRIEND) == []


async def test_a_contact_issues_a_token_when_it_writes(device: Device, world: ServerState) -> None:
    for text in ("one", "two"):
        with world.store.transaction():
            world.contact_behaviour.say(FRIEND, NUMBER, text)
    assert world.tokens.counts(FRIEND) == {NUMBER: 1}, "once in a bucket"
    stanza, issued = await token(device)
    lid = world.people.named(FRIEND).address(LID_SERVER)
    assert (stanza.attrs["from"], stanza.attrs["sender_lid"]) == (JID(FRIEND), lid)
    assert issued.attrs["type"] == "trusted_contact"
    assert await send(device, "M1", Node("tctoken", {}, issued.content)) is None
    assert [one["id"] for one in world.inbox.received(FRIEND)] == ["M1"]


@pytest.mark.parametrize(("weeks", "error"), [(0, None), (3, None), (4, "463"), (9, "463")])
async def test_a_token_counts_for_four_buckets(
    device: Device, world: ServerState, weeks: int, error: str | None
) -> None:
    with world.store.transaction():
        world.tokens.issue(FRIEND, NUMBER, time.time() - weeks * WEEK)
    _, issued = await token(device)
    assert await send(device, "M1", Node("tctoken", {}, issued.content)) == error


async def test_a_newer_token_replaces_the_one_before(device: Device, world: ServerState) -> None:
    shown = []
    for _ in range(2):
        with world.store.transaction():
            world.tokens.issue(FRIEND, NUMBER)
        shown.append((await token(device))[1].content)
    assert await send(device, "M1", Node("tctoken", {}, shown[0])) == "463"
    assert await send(device, "M2", Node("tctoken", {}, shown[1])) is None


async def test_a_token_may_be_derived_from_the_salt(device: Device, world: ServerState) -> None:
    chunk, _ = world.history.chunk(NUMBER, {"type": "initial_bootstrap"})
    salt = HistorySync.FromString(chunk.payload).nct_salt
    shown = derived(world, salt)
    assert await send(device, "M1", shown) is None
    assert await send(device, "M2", Node("cstoken", {}, shown.content[::-1])) == "463"


async def test_app_state_has_the_salt(device: Device, world: ServerState) -> None:
    """From the first companion on; a history need not have it."""
    world.properties.change(NUMBER, {"salt_in_history": False})
    chunk, _ = world.history.chunk(NUMBER, {"type": "initial_bootstrap"})
    assert not HistorySync.FromString(chunk.payload).HasField("nct_salt")
    (change,) = await salt_changes(Replica(device, SALTS[0]))
    assert await send(device, "M1", derived(world, salt_of(change))) is None


async def test_a_salt_is_renewed_and_removed(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    replica, path = Replica(device, SALTS[0]), f"/phones/{NUMBER}/app-state"
    (change,) = await salt_changes(replica)
    first = derived(world, salt_of(change))
    answer = await http.post(path, json={"type": "salt"})
    assert answer.json() == {"collection": SALTS[0], "version": replica.state.version + 1}
    (change,) = await salt_changes(replica)
    second = derived(world, salt_of(change))
    assert await send(device, "M1", first) == "463"
    assert await send(device, "M2", second) is None
    await http.post(path, json={"type": "salt", "remove": True})
    (change,) = await salt_changes(replica)
    assert change.operation == patches.REMOVE
    assert await send(device, "M3", second) == "463"
    assert await send(device, "M4", derived(world, b"")) == "463", "no salt derives a token"


async def test_a_removed_salt_is_not_shared_with_another_companion(
    device: Device,
    http: httpx.AsyncClient,
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    assert len(await salt_changes(Replica(device, SALTS[0]))) == 1
    await http.post(f"/phones/{NUMBER}/app-state", json={"type": "salt", "remove": True})
    other = await paired(NUMBER)
    operations = [one.operation for one in await salt_changes(Replica(other, SALTS[0]))]
    assert operations == [patches.SET_OPERATION, patches.REMOVE]


async def salt_changes(replica: Replica) -> list[Any]:
    """The changes of the salt in the patches that the companion lacks."""
    return [one for one in replica.take(await replica.ask()) if one.index == SALTS[1]]


def salt_of(change: Any) -> bytes:
    value = SyncActionValue.FromString(change.action.SerializeToString())
    assert len(value.nct_salt_sync_action.salt) == 32
    return bytes(value.nct_salt_sync_action.salt)


def derived(world: ServerState, salt: bytes) -> Any:
    """The token for the friend that a client derives from a salt."""
    lid = str(world.people.named(FRIEND).address(LID_SERVER)).encode()
    return Node("cstoken", {}, hmac.digest(salt, lid, hashlib.sha256))


async def test_a_message_that_was_asked_for_anew_needs_no_token(
    device: Device, world: ServerState
) -> None:
    part = await device.part(
        FRIEND, 0, device.own_copy("again", FRIEND).device_sent_message.message
    )
    content = [part.get_child("enc"), Node("device-identity", {}, device.identity_bytes)]
    await device.send(Node("message", {"to": JID(FRIEND), "id": "M1"}, content))
    assert "error" not in (await device.next("ack")).attrs
    assert [one["id"] for one in world.inbox.received(FRIEND)] == ["M1"]


async def test_experiments_make_clients_send_tokens(device: Device) -> None:
    answer = await device.query("abt", "get", Node("props", {"protocol": "1"}))
    props = answer.get_child("props").get_children("prop")
    told = {one.attrs["config_code"]: one.attrs["config_value"] for one in props}
    assert (told["10518"], told["24941"]) == ("1", "1")


async def test_a_client_issues_a_token(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(OTHER)
    asked = {"jid": JID(OTHER), "t": int(time.time()), "type": "trusted_contact"}
    answer = await device.query("privacy", "set", Node("tokens", {}, [Node("token", asked)]))
    assert answer.get_child("tokens") is not None
    stanza, issued = await token(other)
    assert stanza.attrs["from"] == JID(NUMBER)
    assert world.tokens.issued(NUMBER, OTHER) == (issued.content, int(issued.attrs["t"]))
    assert world.tokens.counts(NUMBER) == {OTHER: 1}


async def test_a_history_tells_the_tokens(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        world.tokens.issue(FRIEND, NUMBER, 1_790_000_000)
        world.tokens.issue(NUMBER, FRIEND, 1_790_000_001)
    chunk, _ = world.history.chunk(NUMBER, {"conversations": [{"chat": FRIEND}]})
    sync = HistorySync.FromString(chunk.payload)
    (conversation,) = sync.conversations
    issued = world.tokens.issued(FRIEND, NUMBER)
    assert issued is not None
    assert (conversation.tc_token, conversation.tc_token_timestamp) == issued
    assert conversation.tc_token_sender_timestamp == 1_790_000_001
    assert not sync.nct_salt, "it is in the first history alone"


def test_buckets_are_those_of_clients() -> None:
    """Those of whatsmeow `tctoken.go`: tcTokenBucketDuration, tcTokenNumBuckets."""
    assert (privacy_tokens.TOKEN_WEEK_SECONDS, privacy_tokens.BUCKETS) == (604800, 4)
