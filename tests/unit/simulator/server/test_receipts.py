"""Receipts: what a message's author sees by each type of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import World
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
MARKS = ("received", "delivered", "read")


@pytest.fixture
async def device(paired: Callable[[str], Awaitable[Device]]) -> Device:
    return await paired(NUMBER)


def say(world: World, text: str = "hello", to: str = NUMBER) -> str:
    with world.store.transaction():
        return world.speech.say(FRIEND, to, text)


async def confirm(device: Device, message_id: str, kind: str, **attrs: Any) -> None:
    """Sends a receipt, and waits for the server's ack of it."""
    typed = {"type": kind} if kind else {}
    await device.send(Node("receipt", {"id": message_id, "to": JID(FRIEND), **typed, **attrs}))
    while (await device.next("ack")).attrs["class"] != "receipt":
        pass


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        ("inactive", ["received"]),
        ("", ["received", "delivered"]),
        ("read", ["received", "delivered", "read"]),
        ("played", ["received", "delivered", "read"]),
        ("sender", []),
    ],
)
async def test_the_author_sees_a_message_by_the_type_of_its_receipt(
    device: Device, world: World, kind: str, marks: list[str]
) -> None:
    message_id = say(world)
    await device.next("message")
    await confirm(device, message_id, kind)
    (said,) = world.sent.of(FRIEND)
    assert [mark for mark in MARKS if said[mark]] == marks


async def test_an_inactive_receipt_reaches_the_author_as_one(
    device: Device, paired: Callable[[str], Awaitable[Device]]
) -> None:
    author = await paired(OTHER)
    await author.send(await author.message(NUMBER, "hello", "M1", devices=(device.device,)))
    await device.next("message")
    await device.send(Node("receipt", {"id": "M1", "to": JID(OTHER), "type": "inactive"}))
    heard = await author.next("receipt")
    assert (heard.attrs["id"], heard.attrs["type"]) == ("M1", "inactive")


async def test_a_contact_who_is_not_shown_online_confirms_by_inactive_receipts(
    device: Device, world: World
) -> None:
    world.people.change(FRIEND, {"receipts": "inactive", "delivered_after": 0.0})
    await device.send(await device.message(FRIEND, "hello", "M1"))
    heard = await device.next("receipt")
    assert (heard.attrs["id"], heard.attrs["type"]) == ("M1", "inactive")


async def test_a_contact_who_is_not_shown_online_leaves_the_phones_message_undelivered(
    device: Device, world: World
) -> None:
    world.people.change(FRIEND, {"receipts": "inactive", "delivered_after": 0.0})
    with world.store.transaction():
        world.speech.say(NUMBER, FRIEND, "from my pocket")
    await device.next("message")
    (said,) = world.sent.of(NUMBER)
    assert [mark for mark in MARKS if said[mark]] == ["received"]
