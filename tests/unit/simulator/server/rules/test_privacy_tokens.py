"""Privacy tokens: who issues them to whom, which count, and what is refused without one."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.rules.properties import CONTACT
from simulator.wire.proto_schema import HistorySync
from simulator.wire.protocol_library import JID, LID_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

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
