"""Sends and parses presence and typing stanzas, and looks up phone numbers, over the native socket; stores nothing.

``<presence>`` of somebody else has no type where they are available; ``last`` is a time, or ``deny``
where they do not show it. ``<chatstate>`` comes from a person, or from a group with a participant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.engine import NotConnected, Presence, SendError
from actors.connection.native.identities import usync
from actors.connection.protocol.identities.addresses import GROUP, parse_optional
from actors.connection.protocol.online_visibility import Visibility
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from actors.connection.native.identities.addressing_mode import Routes
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session

Learn = Callable[["Address", "Address"], Awaitable[None]]

_STATES: Final = {
    "composing": Node("composing"),
    "recording": Node("composing", {"media": "audio"}),
    "paused": Node("paused"),
}


async def lookup(socket: Socket, number: str, learn: Learn) -> str | None:
    """The chat of a phone number that is on WhatsApp: its number there. Raises `SendError`.

    `learn` is called with the number that was asked about and the one that the answer names.
    """
    person = parse_optional(number)
    if person is None or not usync.can_be_queried(person):
        raise SendError("unsupported_chat", permanent=True)
    try:
        reply = await socket.request(usync.contacts_query(person))
    except RequestTimeout:
        raise SendError("whatsapp_timeout") from None
    except RequestFailed as failed:
        raise SendError(f"request_failed_{failed.code}") from None
    except ConnectionLost:
        raise NotConnected from None
    answered = usync.contact_answer(reply, person.canonical)
    if answered is None:
        return None
    if usync.names_number(reply):
        await learn(person.canonical, answered)
    return str(answered)


class Appearance:
    """Presence of the account on one socket: online or not, and under which name.

    Strangers see "-" in place of a name that WhatsApp does not know, and it learns the name from
    presence alone (whatsmeow, presence.go). The name is sent at the login, and again once it changes.
    """

    def __init__(
        self, session: Session, people: LidMapping, socket: Socket, *, always: bool = False
    ) -> None:
        """`always`: the account is shown as online from the login on."""
        self._session = session
        self._people = people
        self._socket = socket
        self._visibility = Visibility(always)
        self._open = False
        self._name: str | None = None

    @property
    def active(self) -> bool:
        """See `Visibility.active`."""
        return self._visibility.active

    async def open(self) -> None:
        """Begin, after the login: send WhatsApp the name, where it is known."""
        self._open = True
        if self._visibility.available:
            await self._report()
        else:
            await self.look()

    async def configure(self, *, always: bool) -> None:
        """Follow other settings at once; they hold from the login on where there was none yet."""
        self._visibility.configure(always=always)
        if self._open:
            await self._report()

    async def look(self) -> None:
        """Tell WhatsApp the name where it changed; nothing before `open`, or once the socket ended."""
        if self._open and self._session.push_names.find(str(self._people.account)) != self._name:
            await self._report()

    async def show(self, *, available: bool) -> None:
        """Show the account as online or not. Raises `NotConnected`."""
        self._visibility.requested = available
        await self._show()

    async def _report(self) -> None:
        with suppress(NotConnected):  # the next login does it
            await self._show()

    async def _show(self) -> None:
        self._name = self._session.push_names.find(str(self._people.account))
        named = {} if self._name is None else {"name": self._name}
        kind = "available" if self._visibility.available else "unavailable"
        await _report(self._socket, Node("presence", {"type": kind, **named}))


async def show_typing(socket: Socket, routes: Routes, chat: str, state: str) -> None:
    """Tell a person, or a group, what the account does in their chat. Raises `SendError`."""
    person = parse_optional(chat)
    if person is None or not (person.is_person or person.server == GROUP) or state not in _STATES:
        raise SendError("unsupported_chat", permanent=True)
    to = person if person.server == GROUP else routes.stored(person).to
    await _report(socket, Node("chatstate", {"to": str(to)}, (_STATES[state],)))


async def subscribe(socket: Socket, routes: Routes, chat: str) -> None:
    """Subscribe to whether a person is online, while this socket lasts. Raises `SendError`."""
    person = parse_optional(chat)
    if person is None or not person.is_person:
        raise SendError("unsupported_chat", permanent=True)
    to = str(routes.stored(person).to)
    await _report(socket, Node("presence", {"type": "subscribe", "to": to}))


def presence_of(stanza: Node, people: LidMapping) -> Presence | None:
    """The presence in a stanza; None where it has none."""
    origin = parse_optional(stanza.attrs.get("from"))
    if origin is None:
        return None
    if stanza.tag == "presence":
        kind = stanza.attrs.get("type", "available")
        if not origin.is_person or kind not in ("available", "unavailable"):
            return None
        who = str(people.canonical(origin))
        available = kind == "available"
        last = None if available else stanza.number("last")
        return Presence(who, who, "available" if available else "unavailable", last)
    if stanza.tag != "chatstate":
        return None
    person = parse_optional(stanza.attrs.get("participant")) if origin.server == GROUP else origin
    state = _state(stanza)
    if state is None or person is None or not person.is_person or people.is_account(person):
        return None
    who = str(people.canonical(person))
    return Presence(str(origin) if origin.server == GROUP else who, who, state)


def _state(stanza: Node) -> Literal["composing", "recording", "paused"] | None:
    for part in stanza.children():
        if part.tag == "composing":
            return "recording" if part.attrs.get("media") == "audio" else "composing"
        if part.tag in ("recording", "paused"):
            return "recording" if part.tag == "recording" else "paused"
    return None


async def _report(socket: Socket, node: Node) -> None:
    try:
        await socket.send(node)
    except ConnectionLost:
        raise NotConnected from None
