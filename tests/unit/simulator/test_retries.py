"""Retry receipts both ways: a device that cannot decrypt a message gets it again under its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.message_handler import MAX_RETRIES
from simulator.server.stanzas import bundle_keys
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"


def say(world: ServerState, text: str, **more: Any) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text, **more)


async def ask(
    device: Device, to: Any, message_id: str, *, count: int = 1, keys: Any = None
) -> None:
    content = [Node("retry", {"count": count, "id": message_id, "t": "1", "v": "1"})]
    if keys is not None:
        content.append(Node("keys", {}, bundle_keys(keys)))
    await device.send(Node("receipt", {"to": to, "id": message_id, "type": "retry"}, content))


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
