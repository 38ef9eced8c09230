"""Messages that the phone hands over: in the place of their placeholders, as if they had just come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.native.receive.stanza_handler import PHONE_DELAY, PHONE_DELAY_AFTER_SENDER
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.messages.content import Image, decode
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    CONTACT_LID,
    GROUP,
    World,
    answers_of,
    garbled,
    met,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.protocol.receive.messages.stanza_result import StanzaResult

PHONE = "15550100001:0@s.whatsapp.net"
NOW = 1000.0
ANSWERED = [("ack", None), ("receipt", "peer_msg")]


def empty(**attrs: str) -> Node:
    named = {"id": "AD", "from": CONTACT, "t": "900", "notify": "Ana"}
    routing = {name.rstrip("_"): value for name, value in attrs.items()}
    return Node("message", {**named, **routing}, (Node("unavailable"),))


def info(message: Any = None, **key: Any) -> Any:
    """A message as the phone has it."""
    made = proto.WebMessageInfo(messageTimestamp=950, pushName="Ana Maria")
    made.key.id, made.key.remoteJid = "AD", CONTACT
    for name, value in key.items():
        setattr(made.key, name, value)
    made.message.CopyFrom(message or proto.Message(conversation="from an ad"))
    return made


async def asks(receiver: World, request: str = "R") -> None:
    """The worker asked for what is due."""
    due = receiver.session.placeholders.due(NOW + PHONE_DELAY)
    assert due is not None
    async with receiver.session.transaction():
        assert receiver.session.placeholders.note_request(due, request, NOW + 30)


async def answers(receiver: World, *infos: Any, request: str = "R", **attrs: str) -> StanzaResult:
    """The phone answers."""
    await receiver.afresh()
    message = proto.Message()
    message.protocolMessage.type = (
        proto.Message.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE
    )
    part = message.protocolMessage.peerDataOperationRequestResponseMessage
    part.peerDataOperationRequestType = 4
    part.stanzaId = request
    for one in infos:
        result = part.peerDataOperationResult.add()
        if one is not None:
            serialized = one.SerializeToString()
            result.placeholderMessageResendResponse.webMessageInfoBytes = serialized
    plaintext = message.SerializeToString()
    named = {"from_": PHONE, "category": "peer", **attrs}
    return await receiver.take(await receiver.message(plaintext, **named))


async def test_a_placeholder_gets_its_content(receiver: World) -> None:
    outcome = await receiver.take(empty())
    assert (outcome.counted, outcome.task) == ("message.placeholder", "placeholder")
    await receiver.take(await receiver.message(text("after")))
    await asks(receiver)
    outcome = await answers(receiver, info())
    assert (outcome.counted, outcome.news) == ("message.resent", True)
    assert answers_of(outcome) == ANSWERED
    found = [(one.message_id, one.type, one.text, one.at) for one in receiver.messages()]
    assert max(found) == ("AD", "text", "from an ad", 900)
    assert len(found) == 2, "in its place, not beside it"
    (message,) = (one for one in receiver.messages() if one.message_id == "AD")
    assert (message.chat, message.sender, message.push_name) == (CONTACT, CONTACT, "Ana")
    assert receiver.session.placeholders.next_at() is None
    assert receiver.session.inbox.committed(CONTACT, CONTACT, "AD")


async def test_it_comes_but_once(receiver: World) -> None:
    """Repeated answers, and the sender's own resend, add nothing."""
    await receiver.take(empty())
    await asks(receiver)
    await answers(receiver, info())
    assert not (await answers(receiver, info())).news
    await receiver.afresh()
    again = await receiver.message(text("from an ad"), id="AD")
    assert (await receiver.take(again)).counted == "message.repeated"
    assert [one.text for one in receiver.messages()] == ["from an ad"]


async def test_a_message_that_the_phone_has_not_keeps_its_placeholder(receiver: World) -> None:
    await receiver.take(empty())
    await asks(receiver)
    outcome = await answers(receiver, None)
    assert (outcome.counted, outcome.news, answers_of(outcome)) == (
        "message.resent",
        False,
        ANSWERED,
    )
    assert [one.type for one in receiver.messages()] == ["undecryptable"]
    assert receiver.session.placeholders.next_at() is None, "it is asked no more"
    assert receiver.session.placeholders.find(CONTACT, CONTACT, "AD") is not None


async def test_a_late_answer_to_an_earlier_request(receiver: World) -> None:
    await receiver.take(empty())
    await asks(receiver, "R")
    async with receiver.session.transaction():
        receiver.session.placeholders.reschedule("R", NOW)
    await asks(receiver, "S")
    other = info(remoteJid="15550100009@s.whatsapp.net")
    assert not (await answers(receiver, other, request="R")).news
    assert (await answers(receiver, info(), request="R")).news
    assert [one.text for one in receiver.messages()] == ["from an ad"]


async def test_nobody_elses_answer_counts(receiver: World) -> None:
    """Contacts and other linked devices have no say in it."""
    await receiver.take(empty())
    await asks(receiver)
    for sender in (CONTACT, "15550100001:2@s.whatsapp.net"):
        outcome = await answers(receiver, info(), from_=sender)
        assert outcome.counted == "message.silent"
    assert [one.type for one in receiver.messages()] == ["undecryptable"]


async def test_it_is_answered_once_it_is_stored_elsewhere(tmp_path: Path) -> None:
    """G5 beyond the disk; the placeholder's answer waits for the message that replaces it."""
    async with met(tmp_path, hold=True) as receiver:
        placeholder = (await receiver.take(empty())).held
        await asks(receiver)
        outcome = await answers(receiver, info())
        key = receiver.session.refused.unsettled(CONTACT, CONTACT, "AD")
        assert key is not None
        assert outcome.held == key
        assert placeholder != key
        assert list(outcome.moved) == [(placeholder, key)]


async def test_a_message_of_the_own_phone(receiver: World) -> None:
    await receiver.take(empty(from_=ACCOUNT, recipient=CONTACT_LID))
    await asks(receiver)
    await answers(receiver, info(fromMe=True))
    (message,) = receiver.messages()
    assert (message.chat, message.sender, message.from_me) == (CONTACT_LID, ACCOUNT, True)
    assert message.text == "from an ad"


async def test_a_message_in_a_group(receiver: World) -> None:
    await receiver.take(empty(from_=GROUP, participant=CONTACT))
    await asks(receiver)
    await answers(receiver, info(remoteJid=GROUP, participant=CONTACT))
    (message,) = receiver.messages()
    assert (message.chat, message.sender, message.text) == (GROUP, CONTACT, "from an ad")


async def test_all_that_a_message_brings_is_kept(receiver: World) -> None:
    """Its file is to be fetched, its secret is known, and its sender is to get a read receipt."""
    sent = proto.Message()
    part = sent.imageMessage
    part.mediaKey, part.fileSha256, part.fileEncSha256 = b"k" * 32, b"s" * 32, b"e" * 32
    part.directPath, part.mimetype, part.fileLength = "/v/t62", "image/jpeg", 9
    handed = info(sent)
    handed.messageSecret = b"m" * 32
    await receiver.take(empty())
    await asks(receiver)
    outcome = await answers(receiver, handed)
    assert outcome.task == "file"
    (message,) = receiver.messages()
    assert isinstance(decode(message.content or ""), Image)
    secret = receiver.session.secrets.find(CONTACT, CONTACT, "AD")
    assert secret == MessageSecret(b"m" * 32)


async def test_a_message_that_shows_nothing_takes_its_placeholder_back(receiver: World) -> None:
    await receiver.take(empty())
    await asks(receiver)
    silent = proto.Message()
    silent.senderKeyDistributionMessage.groupId = GROUP
    await answers(receiver, info(silent))
    assert receiver.messages() == []
    assert receiver.session.placeholders.next_at() is None


@pytest.mark.parametrize("mode", ["refused", "asked of its sender", "once", "between devices"])
async def test_when_the_phone_is_asked(receiver: World, mode: str) -> None:
    stanzas = {
        "refused": Node("message", {"id": "AD", "from": CONTACT, "t": "900"}),
        "asked of its sender": garbled(await receiver.message(text("lost"), id="AD")),
        "once": Node("message", empty().attrs, (Node("unavailable", {"type": "view_once"}),)),
        "between devices": empty(from_=PHONE, category="peer"),
    }
    expected = {"refused": NOW + PHONE_DELAY, "asked of its sender": NOW + PHONE_DELAY_AFTER_SENDER}
    await receiver.take(stanzas[mode])
    assert receiver.session.placeholders.next_at() == expected.get(mode)
    assert (receiver.session.placeholders.find(CONTACT, CONTACT, "AD") is None) is (
        mode == "between devices"
    )
