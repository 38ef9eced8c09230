"""Requests to an open client: sends, lookups, presence."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.causes import Cause, Kind
from actors.connection.engine import UNSUPPORTED, NotConnected, SendError
from actors.connection.native.identities.addresses import Address, parse_optional
from actors.connection.native.send.to_proto import Place, write
from actors.connection.neonize import send_errors
from actors.connection.neonize.incoming import Departed, retargeted
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.connection.session.unread import readings
from actors.messages.content import Media, Poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.engine import Outgoing
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.receive.presence import Visibility
    from actors.connection.neonize.client import Client
    from actors.connection.session.session import Session
    from actors.messages.content import Content, ReadMark

log = structlog.get_logger()

_TYPING: Final = {"composing": (0, 0), "recording": (0, 1), "paused": (1, 0)}
"""whatsmeow's numbers: what is done, and in which medium."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one client; `events` has the classes of its answers, `end` ends its socket."""

    client: Client
    people: People
    session: Session
    events: Any
    end: Callable[[Cause], None]
    ack_timeout: float

    async def send(self, message: Outgoing) -> tuple[float, Departed]:
        """When WhatsApp acknowledged the message, and as what it left. Raises `SendError`."""
        chat = self.people.canonical(_person(message.chat))
        said = retargeted(message.content, self.session.theirs)
        if isinstance(said, Media):
            raise SendError(UNSUPPORTED, permanent=True)
        lid = self.people.lid
        place = Place(
            str(chat),
            str(self.people.account),
            time.time() if message.at is None else message.at,
            None if lid is None else str(lid.canonical),
            expires=self.session.timer(str(chat)),
        )
        sent = await self._sent(self._jid(chat), write(said, place))
        left = Departed(str(chat), message.message_id, sent.ID, _poll(said))
        return float(sent.Timestamp or time.time()), left

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> list[int]:
        """Tell that messages were read; return the numbers of those that were noted as unread.

        whatsmeow asks for the privacy settings by itself. Raises `SendError`.
        """
        unread = self.session.marked(self.session.chat_today(chat), mark)
        for origin, author, message_ids in readings(unread):
            ids = " ".join(message_ids).encode()
            to, of = (self._jid(Address.parse(each)) for each in (origin, author or origin))
            asked = ("MarkRead", ids, int(at), to, len(to), of, len(of), b"read")
            _raise(await self.client.text(*asked))
        return [each.number for each in unread]

    async def lookup(self, number: str) -> str | None:
        """See the port."""
        person = _person(number)
        if not person.user.isdigit():
            raise SendError("unsupported_chat", permanent=True)
        answered = await self.client.answer("IsOnWhatsApp", f"+{person.user}".encode())
        reply = self.events.IsOnWhatsAppReturnFunction.FromString(answered)
        if not reply.IsOnWhatsAppResponse:
            raise send_errors.error_of(reply.Error)
        found = next((one.JID for one in reply.IsOnWhatsAppResponse if one.IsIn), None)
        if found is None or found.Server != person.server:  # a LID does not tell the number
            return None if found is None else str(person.canonical)
        return f"{found.User}@{found.Server}"  # as WhatsApp has it: another one may have been asked

    async def probe(self, within: float) -> bool:
        """See the port. What is asked is of no interest: it is short, and about nobody."""
        try:
            async with asyncio.timeout(within):
                answered = await self.client.answer("GetBlocklist")
        except TimeoutError:
            return False
        said = self.events.GetBlocklistReturnFunction.FromString(answered).Error
        if isinstance(gone := send_errors.error_of(said), NotConnected) or "disconnected" in said:
            raise NotConnected from gone
        return "timed out" not in said

    async def presence(self, *, available: bool) -> None:
        """See the port."""
        state = b"available" if available else b"unavailable"
        _raise(await self.client.text("SendPresence", state))

    async def show(self, visibility: Visibility) -> None:
        """Show the account like that, with delivery receipts that fit. Raises `NotConnected`.

        whatsmeow shows nobody whose name the phone did not tell it yet: the receipts fit all the same.
        """
        try:
            _raise(await self.client.text("SetForceActiveDeliveryReceipts", visibility.always))
            await self.presence(available=visibility.available)
        except NotConnected:
            raise
        except SendError as error:
            log.warning("not shown", action="presence", code=error.code)

    async def typing(self, chat: str, state: str) -> None:
        """See the port."""
        person = _person(chat)
        if state not in _TYPING:
            raise SendError("unsupported_chat", permanent=True)
        to = self._jid(person)
        _raise(await self.client.text("SendChatPresence", to, len(to), *_TYPING[state]))

    async def _sent(self, to: bytes, plaintext: bytes) -> Any:
        """Under which id and when WhatsApp has it. Raises `SendError`."""
        answering = asyncio.ensure_future(
            self.client.answer("SendMessage", to, len(to), plaintext, len(plaintext))
        )
        late = False
        try:
            async with asyncio.timeout(self.ack_timeout):
                answered = await asyncio.shield(answering)
        except TimeoutError:
            # Others wait for its turn to be over, which is soon once the socket is closed.
            late = True
            self.end(Cause(Kind.KEEPALIVE, "ack_timeout"))
            answered = await answering
        reply = self.events.SendMessageReturnFunction.FromString(answered)
        if not reply.Error:
            return reply.SendResponse
        raise (
            SendError("ack_timeout", uncertain=True) if late else send_errors.error_of(reply.Error)
        )

    def _jid(self, address: Address) -> bytes:
        empty = {"RawAgent": 0, "Device": 0, "Integrator": 0, "IsEmpty": False}
        jid = self.events.JID(User=address.user, Server=address.server, **empty)
        return bytes(jid.SerializeToString())


def _person(named: str) -> Address:
    person = parse_optional(named)
    if person is None or not person.is_person:
        raise SendError("unsupported_chat", permanent=True)
    return person.canonical


def _poll(said: Content) -> MessageSecret | None:
    if not isinstance(said, Poll) or said.secret is None:
        return None
    return MessageSecret(bytes.fromhex(said.secret), said.options)


def _raise(error: str) -> None:
    if error:
        raise send_errors.error_of(error)
