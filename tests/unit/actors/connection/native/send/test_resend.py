"""Retry receipts from devices that could not read a message; the device is a second session."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import pytest

from actors.connection.native.send.resend import MAX_RESENDS
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.key_agreement import BadSignature
from actors.connection.protocol.wire_format.nodes import Node
from tests.unit.actors.connection.native.resending_devices import (
    CAROL,
    CAROL_LID,
    LAPTOP,
    MALLORY,
    NUMBER,
    TABLET,
    TEXT,
    World,
)


@pytest.mark.parametrize(
    ("device", "more"), [(CAROL, {}), (LAPTOP, {}), (TABLET, {"recipient": CAROL})]
)
async def test_who_was_sent_a_message_gets_it_again(
    world: World, device: str, more: dict[str, str]
) -> None:
    """The chat's devices, and the account's own ones, which name the chat. The id is the same."""
    message = await world.resent(await world.receipt(device, more=more))
    assert (message.attrs["to"], message.attrs["id"]) == (device, NUMBER)
    assert message.attrs.get("recipient") == more.get("recipient")
    assert message.bytes_of("device-identity") == b"adv"
    found = await world.read(message)
    assert found is not None
    assert (found.text, found.destination) == ("for Carol alone", more.get("recipient"))
    assert world.wire.asked == []


@pytest.mark.parametrize(("wire", "named"), [("lid", CAROL_LID), ("number", CAROL), (None, CAROL)])
async def test_a_copy_names_the_chat_as_the_message_did(
    world: World, wire: Literal["lid", "number"] | None, named: str
) -> None:
    async with world.session.transaction():
        world.session.learn_lid(CAROL_LID, CAROL)
        world.session.sent.remember(CAROL, NUMBER, TEXT, time.time(), wire=wire)
    message = await world.resent(await world.receipt(TABLET, more={"recipient": CAROL_LID}))
    found = await world.read(message)
    assert found is not None
    assert found.destination == named


async def test_a_stranger_gets_no_message_of_another_chat(world: World) -> None:
    """G10: the chat is the sender's, whatever chat the retry receipt names."""
    for more in ({"recipient": CAROL}, {"participant": CAROL}, {"participant": TABLET}):
        assert await world.resender.resend(await world.receipt(MALLORY, more=more)) == "unknown"
    assert world.wire.sent == []


async def test_forged_keys_set_up_no_session(world: World) -> None:
    own = world.credentials
    async with world.other.transaction():
        world.other.credentials.save(replace(own, identity_public=new_key_pair()[1]))
    with pytest.raises(BadSignature):
        await world.resender.resend(await world.receipt(CAROL))
    assert not world.signal.has_session(CAROL)
    assert world.wire.sent == []


async def test_a_companion_that_its_phone_did_not_link_gets_nothing(world: World) -> None:
    """Its keys are its own, and nobody vouches for them (G10)."""
    async with world.other.transaction():
        world.other.credentials.save(replace(world.credentials, device_identity=b""))
    with pytest.raises(BadSignature):
        await world.resender.resend(await world.receipt(LAPTOP))
    assert not world.signal.has_session(LAPTOP)
    assert world.wire.sent == []


async def test_each_device_is_answered_so_often_and_no_more(world: World) -> None:
    for count in range(1, MAX_RESENDS + 1):
        await world.resent(await world.receipt(CAROL, count))
    assert await world.resender.resend(await world.receipt(CAROL, 6)) == "too_often"
    assert len(world.wire.sent) == MAX_RESENDS
    await world.resent(await world.receipt(LAPTOP))


async def test_the_same_question_twice_sets_up_one_session(world: World) -> None:
    """It comes again when the process died before the ack: its prekey serves one session only."""
    receipt = await world.receipt(CAROL)
    first, second = await world.resent(receipt), await world.resent(receipt)
    for message in (first, second):
        found = await world.read(message)
        assert found is not None
        assert found.text == "for Carol alone"
    assert len(world.session.keys.ratchets(CAROL)) == 1
    await world.answer(CAROL)
    await world.resent(await world.receipt(CAROL, 2))
    assert len(world.session.keys.ratchets(CAROL)) == 2


async def test_a_session_that_both_have_goes_on(world: World) -> None:
    """Without keys the device only missed a message: it has the session."""
    await world.read(await world.resent(await world.receipt(CAROL)))
    await world.answer(CAROL)
    message = await world.resent(await world.receipt(CAROL, keys=False))
    assert world.wire.asked == []
    (enc,) = message.children("enc")
    assert enc.attrs["type"] == "msg"
    assert await world.read(message) is not None


@pytest.mark.parametrize("how", ["another installation", "asked again", "never met"])
async def test_who_lost_the_session_and_sends_no_keys_is_asked_for_them(
    world: World, how: str
) -> None:
    """A registration that is not the known one tells of a new installation, in the first receipt."""
    count = 1
    if how != "never met":
        await world.read(await world.resent(await world.receipt(CAROL)))
        await world.answer(CAROL)
    if how == "another installation":
        while world.credentials.registration_id == world.signal.registration(CAROL):
            await world.install()
        await world.install()
    elif how == "asked again":
        count = 2
    before = world.session.keys.identity(CAROL)
    message = await world.resent(await world.receipt(CAROL, count, keys=False))
    assert world.wire.asked == [CAROL]
    assert await world.read(message) is not None
    assert world.session.keys.identity(CAROL) == world.credentials.identity_public
    assert (world.session.keys.identity(CAROL) != before) == (how != "asked again")


async def test_what_came_by_lid_is_looked_for_under_the_number(world: World) -> None:
    assert await world.resender.resend(await world.receipt(CAROL_LID)) == "unknown"
    async with world.session.transaction():
        world.session.learn_lid(CAROL_LID, CAROL)
    message = await world.resent(await world.receipt(CAROL_LID))
    assert message.attrs["to"] == CAROL_LID
    assert await world.read(message) is not None


@pytest.mark.parametrize(
    "attrs", [{}, {"from": "status@broadcast"}, {"from": "1@g.us"}, {"from": "nobody"}]
)
async def test_who_is_nobody_is_not_answered(world: World, attrs: dict[str, str]) -> None:
    receipt = await world.receipt(CAROL)
    nameless = Node("receipt", {"id": NUMBER, "type": "retry", **attrs}, receipt.content)
    assert await world.resender.resend(nameless) == "malformed"
    assert await world.resender.resend(Node("receipt", receipt.attrs)) == "malformed"
