"""Timers of chats: who sets them, which messages bear them, and remarks on those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.proto_schema import Message

if TYPE_CHECKING:
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
DAY = 86400


def text(said: str, seconds: int = 0) -> Any:
    message = Message()
    message.extended_text_message.text = said
    if seconds:
        message.extended_text_message.context_info.expiration = seconds
    return message


async def send(device: Device, message: Any, message_id: str, **more: Any) -> None:
    await device.send(await device.message(FRIEND, message, message_id, **more))
    while (await device.next("ack")).attrs["id"] != message_id:
        pass


@pytest.mark.parametrize(
    ("timer", "message", "remarks"),
    [
        (0, text("stays"), {}),
        (0, text("gone", DAY), {"expiration": 1}),
        (DAY, text("stays"), {"expiration": 1}),
        (DAY, Message(conversation="stays"), {"expiration": 1}),
        (DAY, text("gone", DAY), {}),
        (DAY, text("gone too soon", 60), {"expiration": 1}),
        (DAY, Message(), {}),
    ],
)
async def test_a_message_that_does_not_bear_the_timer_is_a_remark(
    device: Device, world: ServerState, timer: int, message: Any, remarks: dict[str, int]
) -> None:
    world.chat_timers.set(timer, FRIEND, NUMBER)
    with world.store.transaction():
        second = world.device_changes.link(FRIEND, notify=False)
    if not message.ListFields():
        message.reaction_message.text = "x"
    await send(device, message, "M1", devices=(0, second))
    assert world.remarks.of(NUMBER) == remarks
    (item,) = world.inbox.received(FRIEND)
    borne = message.extended_text_message.context_info.expiration
    assert item["content"].get("expiration", 0) == borne
