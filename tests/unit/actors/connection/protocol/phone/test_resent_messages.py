"""Messages that the phone hands over: in the place of their placeholders, as if they had just come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.receive.messages.message_receiver import (
    PHONE_DELAY,
    PHONE_DELAY_AFTER_SENDER,
)
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.connection.whatsmeow.delivery_handler import RESEND_REQUEST
from actors.messages.content import Image, decode
from tests.unit.actors.connection.deliveries import CONTACT, NOW, Deliveries

if TYPE_CHECKING:
    from actors.connection.session.session import Session

ACCOUNT = "15550100001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


@pytest.fixture
def deliveries(session: Session) -> Deliveries:
    return Deliveries(session)


def info(message: Any = None, **key: Any) -> Any:
    """A message as the phone has it."""
    made = proto.WebMessageInfo(messageTimestamp=950, pushName="Ana Maria")
    made.key.id, made.key.remoteJid = "AD", CONTACT
    for name, value in key.items():
        setattr(made.key, name, value)
    made.message.CopyFrom(message or proto.Message(conversation="from an ad"))
    return made


async def test_a_placeholder_gets_its_content(deliveries: Deliveries) -> None:
    outcome = await deliveries.comes_empty()
    assert (outcome.counted, outcome.task) == ("message.placeholder", "placeholder")
    await deliveries.asks()
    outcome = await deliveries.answers(info())
    assert (outcome.counted, outcome.news, len(outcome.answers)) == ("message.resent", True, 1)
    (message,) = deliveries.messages()
    assert (message.message_id, message.type, message.text) == ("AD", "text", "from an ad")
    assert (message.chat, message.sender, message.push_name) == (CONTACT, CONTACT, "Ana")
    assert message.at == 900
    assert deliveries.session.placeholders.next_at() is None
    assert deliveries.session.inbox.committed(CONTACT, CONTACT, "AD")


async def test_it_comes_but_once(deliveries: Deliveries) -> None:
    """Repeated answers, and the sender's own resend, add nothing."""
    await deliveries.comes_empty()
    await deliveries.asks()
    await deliveries.answers(info())
    assert not (await deliveries.answers(info())).news
    body = proto.Message(conversation="from an ad").SerializeToString()
    again = await deliveries.take(
        "message", body, message_id="AD", chat=CONTACT, sender=CONTACT, at=900
    )
    assert again.counted == "message.repeated"
    assert [one.text for one in deliveries.messages()] == ["from an ad"]


async def test_a_message_that_the_phone_has_not_keeps_its_placeholder(
    deliveries: Deliveries,
) -> None:
    await deliveries.comes_empty()
    await deliveries.asks()
    outcome = await deliveries.answers(None)
    assert (outcome.counted, outcome.news, len(outcome.answers)) == ("message.resent", False, 1)
    assert [one.type for one in deliveries.messages()] == ["undecryptable"]
    assert deliveries.session.placeholders.next_at() is None, "it is asked no more"
    assert deliveries.session.placeholders.find(CONTACT, CONTACT, "AD") is not None


async def test_a_late_answer_to_an_earlier_request(deliveries: Deliveries) -> None:
    await deliveries.comes_empty()
    await deliveries.asks("R")
    async with deliveries.session.transaction():
        deliveries.session.placeholders.reschedule("R", NOW)
    await deliveries.asks("S")
    assert not (await deliveries.answers(info(remoteJid="15550100009@s.whatsapp.net"))).news
    assert (await deliveries.answers(info())).news
    assert [one.text for one in deliveries.messages()] == ["from an ad"]


async def test_an_answer_to_a_request_that_nobody_made(deliveries: Deliveries) -> None:
    await deliveries.comes_empty()
    await deliveries.asks()
    assert not (await deliveries.answers(info(id="ELSE"))).news
    assert [one.type for one in deliveries.messages()] == ["undecryptable"]


async def test_it_is_answered_once_it_is_stored_elsewhere(session: Session) -> None:
    """G5 beyond the disk; the placeholder's answer waits for the message that replaces it."""
    deliveries = Deliveries(session, hold=True)
    placeholder = (await deliveries.comes_empty()).held
    await deliveries.asks()
    outcome = await deliveries.answers(info())
    key = session.refused.unsettled(CONTACT, CONTACT, "AD")
    assert key is not None
    assert outcome.held == key
    assert placeholder != key
    assert list(outcome.moved) == [(placeholder, key)]


async def test_a_message_of_the_own_phone(deliveries: Deliveries) -> None:
    await deliveries.comes_empty(sender=ACCOUNT, from_me=True)
    await deliveries.asks()
    await deliveries.answers(info(fromMe=True))
    (message,) = deliveries.messages()
    assert (message.chat, message.sender, message.from_me) == (CONTACT, ACCOUNT, True)
    assert message.text == "from an ad"


async def test_a_message_in_a_group(deliveries: Deliveries) -> None:
    await deliveries.comes_empty(chat=GROUP)
    await deliveries.asks()
    await deliveries.answers(info(remoteJid=GROUP, participant=CONTACT))
    (message,) = deliveries.messages()
    assert (message.chat, message.sender, message.text) == (GROUP, CONTACT, "from an ad")


async def test_all_that_a_message_brings_is_kept(deliveries: Deliveries) -> None:
    """Its file is to be fetched, and its secret is known."""
    sent = proto.Message()
    part = sent.imageMessage
    part.mediaKey, part.fileSha256, part.fileEncSha256 = b"k" * 32, b"s" * 32, b"e" * 32
    part.directPath, part.mimetype, part.fileLength = "/v/t62", "image/jpeg", 9
    handed = info(sent)
    handed.messageSecret = b"m" * 32
    await deliveries.comes_empty()
    await deliveries.asks()
    outcome = await deliveries.answers(handed)
    assert outcome.task == "file"
    (message,) = deliveries.messages()
    assert isinstance(decode(message.content or ""), Image)
    secret = deliveries.session.secrets.find(CONTACT, CONTACT, "AD")
    assert secret == MessageSecret(b"m" * 32)


async def test_a_message_that_shows_nothing_takes_its_placeholder_back(
    deliveries: Deliveries,
) -> None:
    await deliveries.comes_empty()
    await deliveries.asks()
    silent = proto.Message()
    silent.senderKeyDistributionMessage.groupId = GROUP
    await deliveries.answers(info(silent))
    assert deliveries.messages() == []
    assert deliveries.session.placeholders.next_at() is None


@pytest.mark.parametrize(
    ("reason", "category", "asked_at"),
    [
        ("unavailable", "", NOW + PHONE_DELAY),
        (RESEND_REQUEST, "", NOW + PHONE_DELAY_AFTER_SENDER),
        ("view_once", "", None),
        ("unavailable", "peer", None),
    ],
)
async def test_when_the_phone_is_asked(
    deliveries: Deliveries, reason: str, category: str, asked_at: float | None
) -> None:
    sender = {"sender": ACCOUNT, "from_me": True} if category else {}
    await deliveries.comes_empty(reason, category=category, **sender)
    assert deliveries.session.placeholders.next_at() == asked_at
