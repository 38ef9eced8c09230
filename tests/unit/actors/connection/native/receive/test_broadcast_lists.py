"""Messages that a contact sends by a broadcast list: they are the contact's, in the chat with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import handing
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.messages.content import Reaction, Target, decode
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    CONTACT_LID,
    answers_of,
    garbled,
    text,
)

if TYPE_CHECKING:
    from tests.unit.actors.connection.native.receiving_device import World

LIST = "1764000000@broadcast"
ALL = [("ack", None), ("receipt", None)]


@pytest.mark.parametrize(
    "attrs",
    [
        pytest.param({"participant": CONTACT}, id="by number"),
        pytest.param({"participant": CONTACT_LID, "participant_pn": CONTACT}, id="by LID"),
    ],
)
async def test_it_is_said_in_the_chat_with_its_sender(
    receiver: World, attrs: dict[str, str]
) -> None:
    """The answers go where it came from, and once stored it is only acknowledged again."""
    stanza = await receiver.message(text("to many"), from_=LIST, **attrs)
    outcome = await receiver.take(stanza)
    assert (answers_of(outcome), outcome.news) == (ALL, True)
    for answer in outcome.answers:
        assert (answer.attrs["to"], answer.attrs["participant"]) == (LIST, attrs["participant"])
    assert [(one.chat, one.sender, one.text) for one in receiver.messages()] == [
        (CONTACT, CONTACT, "to many")
    ]
    assert (await receiver.take(stanza)).counted == "message.repeated"


async def test_a_key_for_the_list_reads_what_follows(receiver: World) -> None:
    key = OwnSenderKey.make(new_key_pair())
    handed = handing(LIST, key)
    pair = (await receiver.message(handed)).children("enc")[0]
    for number in range(2):
        data, key = key.encrypt(wrappers.pad(text(f"{number}")))
        shared = Node("enc", {"v": "2", "type": "skmsg"}, data)
        parts = (pair, shared) if number == 0 else (shared,)
        named = {"id": f"L{number}", "from": LIST, "participant": CONTACT, "t": "900"}
        assert answers_of(await receiver.take(Node("message", named, parts))) == ALL
    assert [(one.chat, one.text) for one in receiver.messages()] == [(CONTACT, "0"), (CONTACT, "1")]


async def test_one_that_cannot_be_read_is_replaced_by_its_resend(receiver: World) -> None:
    """The sender answers by the list, or in the chat."""
    for resent in ({"from_": LIST, "participant": CONTACT}, {}):
        stanza = garbled(await receiver.message(text("late"), from_=LIST, participant=CONTACT))
        outcome = await receiver.take(stanza)
        assert answers_of(outcome) == [("receipt", "retry"), ("ack", None)]
        assert outcome.at_once[0].attrs["participant"] == CONTACT
        await receiver.afresh()
        await receiver.take(await receiver.message(text("late"), id=stanza.attrs["id"], **resent))
    assert [(one.chat, one.type) for one in receiver.messages()] == [(CONTACT, "text")] * 2


async def test_a_reaction_by_the_list_is_for_a_message_of_the_chat(receiver: World) -> None:
    key = {"fromMe": False, "id": "3EB0A1B2C3D4E5F6A7B8C9", "remoteJid": LIST}
    reaction = proto.Message(reactionMessage={"key": key, "text": "+"}).SerializeToString()
    await receiver.take(await receiver.message(reaction, from_=LIST, participant=CONTACT))
    (message,) = receiver.messages()
    assert message.content is not None
    assert decode(message.content) == Reaction(Target("3EB0A1B2C3D4E5F6A7B8C9", None), "+")


@pytest.mark.parametrize(
    ("attrs", "error"),
    [
        pytest.param({}, "487", id="of nobody"),
        pytest.param({"participant": LIST}, "487", id="of no person"),
        pytest.param({"participant": ACCOUNT}, None, id="another own device's"),
        pytest.param({"from_": "status@broadcast", "participant": CONTACT}, None, id="a status"),
    ],
)
async def test_what_is_no_message_of_a_contact(
    receiver: World, attrs: dict[str, str], error: str | None
) -> None:
    outcome = await receiver.take(await receiver.message(text("x"), **{"from_": LIST, **attrs}))
    (answer,) = outcome.answers
    assert (answer.tag, answer.attrs.get("error")) == ("ack", error)
    assert receiver.messages() == []
