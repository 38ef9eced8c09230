"""Requests for messages without their content, as others read them, and the phone's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.phone import placeholder_resend
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.messages.placeholders import PLACEHOLDER_SECONDS
from tests.unit.actors.connection.protocol.judged import Judge, judging

if TYPE_CHECKING:
    from collections.abc import Iterator

ANA = "15550100002@s.whatsapp.net"
ANA_LID = "90000000000002@lid"
ACCOUNT = "15550100001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
NOW = 2_000_000_000.0


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as made:
        yield made


@pytest.mark.parametrize(
    ("attrs", "from_me", "expected"),
    [
        ({"from": "15550100002:3@s.whatsapp.net"}, False, {"remoteJID": ANA, "fromMe": False}),
        ({"from": ANA_LID, "sender_pn": ANA}, False, {"remoteJID": ANA_LID, "fromMe": False}),
        (
            {"from": "15550100001:2@s.whatsapp.net", "recipient": ANA},
            True,
            {"remoteJID": ANA, "fromMe": True},
        ),
        (
            {"from": GROUP, "participant": "90000000000002:5@lid"},
            False,
            {"remoteJID": GROUP, "fromMe": False, "participant": ANA_LID},
        ),
        (
            {"from": GROUP, "participant": "15550100001:2@s.whatsapp.net"},
            True,
            {"remoteJID": GROUP, "fromMe": True},
        ),
    ],
)
def test_the_message_is_named_as_it_came(
    judge: Judge, attrs: dict[str, str], from_me: bool, expected: dict[str, Any]
) -> None:
    request = placeholder_resend.request({"id": "A", **attrs}, from_me=from_me)
    part = judge.show(request)["protocolMessage"]
    assert part["type"] == "PEER_DATA_OPERATION_REQUEST_MESSAGE"
    asked = part["peerDataOperationRequestMessage"]
    assert asked["peerDataOperationRequestType"] == "PLACEHOLDER_MESSAGE_RESEND"
    (key,) = (one["messageKey"] for one in asked["placeholderMessageResendRequest"])
    assert key == {"ID": "A", **expected}


@pytest.mark.parametrize(
    ("chat", "sender", "expected"),
    [
        (ANA, ANA, {"from": ANA}),
        (ANA, ACCOUNT, {"from": ACCOUNT, "recipient": ANA}),
        (GROUP, ANA, {"from": GROUP, "participant": ANA}),
    ],
)
def test_a_message_whose_stanza_is_not_known(
    chat: str, sender: str, expected: dict[str, str]
) -> None:
    found = placeholder_resend.attributes(chat, sender, "A", ACCOUNT)
    assert found == {"id": "A", **expected}


def stanza(*parts: Node, at: float = NOW) -> Node:
    return Node("message", {"id": "A", "from": ANA, "t": str(int(at))}, parts)


@pytest.mark.parametrize(
    ("message", "may"),
    [
        pytest.param(stanza(), True, id="nothing in it"),
        pytest.param(stanza(Node("unavailable")), True, id="an advertisement's"),
        pytest.param(stanza(Node("enc", {"type": "msg"}, b"?")), True, id="not decrypted"),
        pytest.param(stanza(Node("unavailable", {"type": "view_once"})), False, id="once"),
        pytest.param(
            stanza(Node("unavailable", {"type": "view_once_unavailable_fanout"})),
            False,
            id="once 2",
        ),
        pytest.param(stanza(Node("unavailable", {"hosted": "true"})), False, id="hosted"),
        pytest.param(stanza(Node("unavailable"), Node("bot")), False, id="a bot's"),
        pytest.param(
            stanza(Node("unavailable"), at=NOW - PLACEHOLDER_SECONDS), True, id="a fortnight old"
        ),
        pytest.param(
            stanza(Node("unavailable"), at=NOW - PLACEHOLDER_SECONDS - 1), False, id="older"
        ),
    ],
)
def test_messages_that_the_phone_hands_over(message: Node, may: bool) -> None:
    assert placeholder_resend.may_be_had(message, NOW) is may


# WebMessageInfo: key (1) with id (3), and message (2) with conversation (1).
INFO = b"\x0a\x03\x1a\x01A" + b"\x12\x04\x0a\x02hi"


def test_a_message_that_was_handed_over() -> None:
    request, (message,) = placeholder_resend.answer_of("R", INFO)
    assert (request, message.key.id, message.message.conversation) == ("R", "A", "hi")


@pytest.mark.parametrize("serialized", [b"", INFO[:5], b"\xff"])
def test_an_answer_without_a_message(serialized: bytes) -> None:
    assert placeholder_resend.answer_of("R", serialized) == ("R", ())
