"""The send pipeline: devices, sessions, encryption, commit, bytes, acknowledgement."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import SendError
from actors.connection.native.identities.addresses import Address, parse_optional
from actors.connection.native.identities.devices import NotOnWhatsApp
from actors.connection.native.identities.everyone import Everyone, everyone
from actors.connection.native.receive import wrappers
from actors.connection.native.receive.transactions import SessionRefusal
from actors.connection.native.send.fanout import MAX_OUTRUN, Fanout, Outrun
from actors.connection.native.send.outbox import Departures
from actors.connection.native.send.outcomes import acknowledgement, told
from actors.connection.native.send.per_chat_lock import Turns
from actors.connection.native.send.to_proto import Dress, Place, dress, write
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.transport.nodes import Node
from actors.connection.native.transport.socket import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.session.polls import PollKeys
from actors.messages.content import Media, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.connection.engine import Outgoing
    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.media.upload import Uploader
    from actors.connection.native.signal.agreement import Bundle
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session
    from actors.connection.session.uploads import Upload
    from actors.messages.content import Content

log = structlog.get_logger()

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of one message; WhatsApp's own clients cut a text far below."""


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A message and its copy for the account's own devices, not padded, and its stanza's words.

    `poll` is what the votes will be read with, where it is one.
    """

    message: bytes
    copy: bytes
    dress: Dress
    poll: PollKeys | None = None


class Sender:
    """Sends to persons over one socket, each message under the caller's id.

    Messages to one chat leave in the order of the calls (G4); no chat waits for another's
    questions to WhatsApp, nor for its files. A ratchet step is on disk before the bytes that used it
    leave. `turn` gives one writer to a chat at a time.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: People,
        devices: Devices,
        socket: Socket,
        *,
        ack_timeout: float,
        uploader: Uploader | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without an `uploader` no file is sent."""
        self._uploader = uploader
        self._session = session
        self._people = people
        self._devices = devices
        self._socket = socket
        self._ack_timeout = ack_timeout
        self._clock = clock
        self.fanout = Fanout(session, signal, people, socket)
        self.departures = Departures(session, socket)
        self.turn = Turns().of
        self._order = Turns().of
        self._agreed: dict[Address, tuple[Everyone, str]] = {}

    async def send(self, outgoing: Outgoing) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`."""
        chat = parse_optional(outgoing.chat)
        if chat is None or not chat.is_person:
            raise SendError("unsupported_chat", permanent=True)
        chat = self._people.canonical(chat)
        upload = await self.upload(outgoing, chat)
        lid = self._people.lid
        place = Place(
            str(chat),
            str(self._people.account),
            self._clock() if outgoing.at is None else outgoing.at,
            None if lid is None else str(lid.canonical),
        )
        message = write(outgoing.content, place, upload)
        if len(message) > MAX_MESSAGE:
            raise SendError("too_large", permanent=True)
        plaintext = Plaintext(
            message,
            wrappers.device_sent(message, str(chat)),
            dress(message),
            poll_keys(outgoing.content),
        )
        with self._socket.acknowledgement(outgoing.message_id) as acknowledged:
            reached = await self._write(outgoing.message_id, chat, plaintext)
            ack = await acknowledgement(acknowledged, self._ack_timeout)
        expected = ack.attrs.get("phash")
        if expected and not self._agrees(chat, reached, expected):
            await self._reach_missing(outgoing.message_id, chat, plaintext, reached, expected)
        stamp = ack.number("t")
        return self._clock() if stamp is None else float(stamp)

    async def close(self) -> None:
        """Send nothing more."""
        await self.departures.close()

    async def _write(self, number: str, chat: Address, plaintext: Plaintext) -> Everyone:
        """Encrypt for all devices, commit, hand to the network; return the devices listed."""
        with told():
            return await self._leave(number, chat, plaintext)

    async def upload(self, outgoing: Outgoing, chat: Address) -> Upload | None:
        """Where the file of the message is, once it is there; None where it has none.

        Who comes later in a chat waits for the file of who came first. Raises `SendError`.
        """
        said = outgoing.content
        async with self._order(chat):
            if self._uploader is None or not isinstance(said, Media):
                return None
            with told():
                return await self._uploader.upload(outgoing.message_id, said)

    async def _everyone(self, chat: Address) -> Everyone:
        """The devices of the chat's person and of the account, this one among them."""
        account = self._people.account
        theirs, own = self._devices.cached(chat), self._devices.cached(account)
        if theirs is not None and own is not None:
            listed = (theirs, own)
        else:
            listed = await asyncio.gather(self._devices.of(chat), self._devices.of(account))
        return everyone(chat, listed[0], self._people.device, listed[1])

    async def _leave(
        self,
        number: str,
        chat: Address,
        plaintext: Plaintext,
        missed: Everyone | None = None,
    ) -> Everyone:
        """Write the message for the `missed` devices, or for everyone's; return which those were.

        The turn gives the place in the order; the commit is shared with whoever waits then.
        """
        tries = MAX_OUTRUN
        async with self.turn(chat):
            meant = missed if missed is not None else await self._everyone(chat)
            devices = meant.devices
            leaving = await self._put(number, chat, plaintext, devices, fanout=missed is None)
        while True:
            try:
                await leaving
            except Outrun:
                tries -= 1
                if not tries:
                    raise SendError("session_lost") from None
            else:
                return meant
            async with self.turn(chat):
                leaving = await self._put(number, chat, plaintext, devices, fanout=missed is None)

    async def _put(
        self,
        number: str,
        chat: Address,
        plaintext: Plaintext,
        devices: Sequence[Address],
        *,
        fanout: bool,
    ) -> asyncio.Future[None]:
        found = await self.fanout.missing_bundles(devices)
        leaving = self.departures.put(
            lambda: self._encrypt(number, chat, plaintext, devices, found, fanout=fanout)
        )
        if found:
            # Who comes next is to find the sessions, and to use up no more prekeys.
            await asyncio.wait([leaving])
        return leaving

    async def _encrypt(
        self,
        number: str,
        chat: Address,
        plaintext: Plaintext,
        devices: Iterable[Address],
        found: dict[Address, Bundle | None],
        *,
        fanout: bool,
    ) -> Node:
        """The stanza for these devices, inside a transaction."""
        targets: list[Node] = []
        identity = False
        # A copy for the own phone alone would be acknowledged, and nobody would have got it.
        reached = not fanout or chat == self._people.account
        for device in devices:
            if device == self._people.device:
                continue
            own = self._people.is_account(device)
            encrypted = await self.fanout.encrypt_for(
                device, plaintext.copy if own else plaintext.message, plaintext.dress.enc, found
            )
            if encrypted is None:
                continue
            reached = reached or not own
            targets.append(Node("to", {"jid": str(device)}, (encrypted,)))
            if encrypted.attrs["type"] == "pkmsg":
                identity = True
        if not targets or not reached:
            raise SendError("no_devices")
        self._session.remember_sent(str(chat), number, plaintext.message, self._clock())
        if plaintext.poll is not None:
            account = str(self._people.account)
            self._session.remember_poll(str(chat), account, number, plaintext.poll)
        attrs = {"id": number, "to": str(chat), **plaintext.dress.attrs}
        if not fanout:
            attrs["device_fanout"] = "false"
        parts = [*plaintext.dress.parts, Node("participants", {}, targets)]
        if identity:
            parts += prekey_bundles.device_identity(self._session.credentials())
        return Node("message", attrs, parts)

    def _agrees(self, chat: Address, reached: Everyone, expected: str) -> bool:
        """Whether WhatsApp knows no other devices, as far as its hash says or asking for them did."""
        return expected in reached.hashes or self._agreed.get(chat) == (reached, expected)

    async def _reach_missing(
        self, number: str, chat: Address, plaintext: Plaintext, reached: Everyone, expected: str
    ) -> None:
        """WhatsApp knows other devices than the cache did: send to those that were missed.

        The message is acknowledged already, so a failure here is no failure of the send: the
        lists are fresh then, and the next message reaches the devices. Where nobody was missed the
        hash counts what is not known here, and is not asked about again.
        """
        try:
            theirs, own = await asyncio.gather(
                self._devices.refresh(chat), self._devices.refresh(self._people.account)
            )
            fresh = everyone(chat, theirs, self._people.device, own)
            missed = fresh.without(reached)
            if not missed.devices:
                self._agreed[chat] = (fresh, expected)
                return
            with self._socket.acknowledgement(number) as acknowledged:
                await self._leave(number, chat, plaintext, missed)
                await acknowledgement(acknowledged, self._ack_timeout)
        except (
            ConnectionLost,
            RequestFailed,
            RequestTimeout,
            NotOnWhatsApp,
            SendError,
            *SessionRefusal,
        ) as error:
            log.warning(
                "missed devices not reached",
                action="send.missed_devices",
                error=type(error).__name__,
            )


def poll_keys(said: Content) -> PollKeys | None:
    """What the votes will be read with, where it is a poll."""
    if not isinstance(said, Poll) or said.secret is None:
        return None
    return PollKeys(bytes.fromhex(said.secret), said.options)
