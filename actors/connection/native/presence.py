"""What passes at once and is kept nowhere: who is on WhatsApp, who is online, who writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.connection.engine import NotConnected, SendError
from actors.connection.native import usync
from actors.connection.native.addresses import GROUP, parse_optional
from actors.connection.native.nodes import Node
from actors.connection.native.socket import ConnectionLost, RequestFailed, RequestTimeout

if TYPE_CHECKING:
    from actors.connection.native.addresses import Address
    from actors.connection.native.socket import Socket

_STATES: Final = {
    "composing": Node("composing"),
    "recording": Node("composing", {"media": "audio"}),
    "paused": Node("paused"),
}


async def lookup(socket: Socket, number: str) -> str | None:
    """The chat of a phone number that is on WhatsApp. Raises `SendError`."""
    person = parse_optional(number)
    if person is None or not usync.can_be_asked(person):
        raise SendError("unsupported_chat", permanent=True)
    try:
        reply = await socket.request(usync.contacts_query(person))
    except RequestTimeout:
        raise SendError("whatsapp_timeout") from None
    except RequestFailed as failed:
        raise SendError(f"request_failed_{failed.code}") from None
    except ConnectionLost:
        raise NotConnected from None
    return str(person.canonical) if usync.is_contact(reply) else None


async def show(socket: Socket, *, available: bool) -> None:
    """Tell WhatsApp whether the account is online. Raises `NotConnected`."""
    await _tell(socket, Node("presence", {"type": "available" if available else "unavailable"}))


async def show_typing(socket: Socket, device: Address, chat: str, state: str) -> None:
    """Tell a person, or a group, what the account does in their chat. Raises `SendError`."""
    person = parse_optional(chat)
    if person is None or not (person.is_person or person.server == GROUP) or state not in _STATES:
        raise SendError("unsupported_chat", permanent=True)
    attrs = {"from": str(device), "to": str(person.canonical)}
    await _tell(socket, Node("chatstate", attrs, (_STATES[state],)))


async def _tell(socket: Socket, node: Node) -> None:
    try:
        await socket.send(node)
    except ConnectionLost:
        raise NotConnected from None
