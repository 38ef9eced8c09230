"""Builds this client's placeholder-resend requests to the account's phone, and parses the messages in the answers.

A peer data operation: the phone answers with a message of its own (whatsmeow, send.go and message.go; Baileys,
messages-recv.ts; whatsapp-rust, pdo.rs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.connection.protocol.identities.addresses import GROUP, parse_optional
from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto
from actors.connection.session.messages.placeholders import PLACEHOLDER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.protocol.wire_format.nodes import Node

_RESEND: Final = proto.Message.PeerDataOperationRequestType.PLACEHOLDER_MESSAGE_RESEND

_SHOWN_BY_PHONES_ALONE: Final = (
    "view_once",
    "view_once_unavailable_fanout",
    "hosted_unavailable_fanout",
    "bot_unavailable_fanout",
)
"""Types of ``<unavailable>`` for which the phone has nothing for other devices."""


class ResendAnswer(NamedTuple):
    """The messages (``WebMessageInfo``) that the phone hands over to a request; none it has not."""

    request: str
    messages: tuple[Any, ...]


def may_be_had(stanza: Node, now: float) -> bool:
    """Whether the phone hands over the message that came in this stanza without its content.

    It does not for messages to be seen once, of hosted devices and of bots, nor for old ones.
    """
    part = stanza.child("unavailable")
    if part is not None and (
        part.attrs.get("type") in _SHOWN_BY_PHONES_ALONE
        or part.attrs.get("hosted") in ("true", "1")
        or stanza.child("bot") is not None
    ):
        return False
    return now - (stanza.number("t") or now) <= PLACEHOLDER_SECONDS


def request(attrs: Mapping[str, str], *, from_me: bool) -> bytes:
    """The request for the message that came in a stanza with these attributes, not padded."""
    origin = attrs["from"]
    key = proto.MessageKey(id=attrs["id"], fromMe=from_me)
    key.remoteJid = _person(attrs.get("recipient", origin) if from_me else origin)
    if not from_me and "participant" in attrs:
        key.participant = _person(attrs["participant"])
    message = proto.Message()
    message.protocolMessage.type = proto.Message.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_MESSAGE
    part = message.protocolMessage.peerDataOperationRequestMessage
    part.peerDataOperationRequestType = _RESEND
    part.placeholderMessageResendRequest.add().messageKey.CopyFrom(key)
    serialized: bytes = message.SerializeToString()
    return serialized


def attributes(chat: str, sender: str, message_id: str, account: str) -> dict[str, str]:
    """Attributes of a stanza that could have brought the message, where those of its own are not known."""
    named = {"id": message_id, "from": chat}
    if chat.endswith(f"@{GROUP}"):
        return {**named, "participant": sender}
    return named if sender != account else {**named, "from": account, "recipient": chat}


def answer_of(request: str, serialized: bytes) -> ResendAnswer:
    """The answer to a request that hands over this ``WebMessageInfo``; none where it cannot be parsed."""
    found = _message(serialized)
    return ResendAnswer(request, () if found is None else (found,))


def _message(serialized: bytes) -> Any:
    try:
        info = parse(proto.WebMessageInfo, serialized)
    except MalformedMessage:
        return None
    return info if info.HasField("message") else None


def _person(address: str) -> str:
    """The address without its device."""
    parsed = parse_optional(address)
    return address if parsed is None else str(parsed.canonical)
