"""The send pipeline: devices, sessions, encryption, commit, bytes, acknowledgement."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import NotConnected, SendError
from actors.connection.native.identities.addresses import Address, parse_optional
from actors.connection.native.identities.routes import Routes
from actors.connection.native.receive import wrappers
from actors.connection.native.receive.transactions import SessionRefusal, transaction
from actors.connection.native.send.fanout import MAX_OUTRUN, Fanout, Outrun
from actors.connection.native.send.letter import Letter, plaintext, poll_author, poll_secret
from actors.connection.native.send.outbox import Departures
from actors.connection.native.send.outcomes import acknowledgement, forget_begun, told
from actors.connection.native.send.per_chat_lock import Turns
from actors.connection.native.send.to_proto import Place, dress
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.transport.errors import (
    ConnectionLost,
    NotOnWhatsApp,
    RequestFailed,
    RequestTimeout,
)
from actors.connection.native.transport.nodes import Node
from actors.messages.content import Media

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.engine import Outgoing
    from actors.connection.native.identities.addresses import Kind
    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.identities.everyone import Everyone
    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.identities.routes import Route
    from actors.connection.native.media.upload import Uploader
    from actors.connection.native.signal.agreement import Bundle
    from actors.connection.native.signal.device_sessions import Signal
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session

log = structlog.get_logger()


MOST_AGREED: Final = 10_000
"""Chats of which it is remembered that WhatsApp's hash counts what is not known here."""


class Sender:
    """Sends to persons over one socket, each message under the caller's id.

    Messages to one chat leave in the order of the calls (G4); no chat waits for another's
    questions to WhatsApp, nor for its files. A ratchet step is on disk before the bytes that used it
    leave. `turn` gives one writer to a chat at a time, `routes` the addresses of stanzas to persons.
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
        permit: Callable[[Address], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without an `uploader` no file is sent. `permit` raises where nothing may leave for a chat now."""
        self._uploader = uploader
        self._permit = permit
        self._session = session
        self._people = people
        self._devices = devices
        self._socket = socket
        self._ack_timeout = ack_timeout
        self._clock = clock
        self.routes = Routes(session, people, devices, clock)
        self.fanout = Fanout(session, signal, people, socket)
        self.departures = Departures(session, socket)
        self.turn = Turns().of
        self._order = Turns().of
        self._agreed: dict[Address, tuple[str, str]] = {}

    async def send(self, outgoing: Outgoing) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`."""
        chat = parse_optional(outgoing.chat)
        if chat is None or not chat.is_person:
            raise SendError("unsupported_chat", permanent=True)
        chat = self._people.canonical(chat)
        self._check(chat)
        upload = await self.upload(outgoing, chat)
        try:
            letter, ack = await self._attempt(outgoing, chat, upload)
        except SendError as refused:
            if not self.routes.may_go_by_number(chat, refused.code, outgoing.message_id):
                raise
            letter, ack = await self._attempt(outgoing, chat, upload, "number")
            await self._prefer_numbers()
        expected = ack.attrs.get("phash")
        if expected and not self._agrees(letter, expected):
            await self._reach_missing(letter, expected)
        stamp = ack.number("t")
        return self._clock() if stamp is None else float(stamp)

    async def _prefer_numbers(self) -> None:
        """Note that WhatsApp takes numbers where it refuses LIDs; else the next refusal shows it."""
        log.warning("no LIDs for a while", action="send.by_number")
        try:
            async with transaction(self._session, self._socket):
                self.routes.prefer_numbers()
        except ConnectionLost:
            return

    async def close(self) -> None:
        """Send nothing more."""
        await self.departures.close()

    async def upload(self, outgoing: Outgoing, chat: Address) -> Upload | None:
        """The place of the message's file, once it is there; None where it has none.

        Who comes later in a chat waits for the file of who came first. Raises `SendError`.
        """
        said = outgoing.content
        async with self._order(chat):
            if self._uploader is None or not isinstance(said, Media):
                return None
            with told():
                return await self._uploader.upload(outgoing.message_id, said)

    async def _attempt(
        self, outgoing: Outgoing, chat: Address, upload: Upload | None, kind: Kind | None = None
    ) -> tuple[Letter, Node]:
        """Send it, by addresses of this kind; return it and WhatsApp's ack. Raises `SendError`."""
        with self._socket.acknowledgement(outgoing.message_id) as acknowledged:
            with told():
                letter = await self._leave(
                    lambda: self._written(outgoing, chat, upload, kind), chat
                )
            try:
                return letter, await acknowledgement(acknowledged, self._ack_timeout)
            except SendError as refused:
                if not refused.uncertain:
                    whom = self._people.canonical(letter.chat)
                    await forget_begun(self._session, self._socket, whom, letter.number, refused)
                raise

    def _check(self, chat: Address) -> None:
        """Raises `SendError` where nothing may leave for the chat now.

        It may have another name, whose earlier messages leave first (G4), or a limit may hold it back.
        """
        if self._people.canonical(chat) != chat:
            raise NotConnected
        self._permit(chat)

    async def _written(
        self, outgoing: Outgoing, chat: Address, upload: Upload | None, kind: Kind | None
    ) -> Letter:
        """The message as it leaves now: its addresses are those of the stanza."""
        self._check(chat)
        # A message that may have arrived keeps its addresses, or its recipient may see two (G3).
        kept = kind or self._session.sent.wire(str(chat), outgoing.message_id)
        route = await self.routes.to(chat, kept)
        message = plaintext(outgoing, self._place(outgoing, chat, route), upload)
        return Letter(
            outgoing.message_id,
            chat,
            route,
            await self._everyone(chat, route),
            message,
            wrappers.device_sent(message, str(route.to)),
            dress(message),
            poll_secret(outgoing.content),
        )

    def _place(self, outgoing: Outgoing, chat: Address, route: Route) -> Place:
        account, lid = self._people.account, self._people.lid
        return Place(
            str(route.to),
            str(account),
            self._clock() if outgoing.at is None else outgoing.at,
            None if lid is None else str(lid.canonical),
            named=lambda person: str(self._people.named(Address.parse(person), route.kind)),
            author=poll_author(self._session, chat, account, outgoing.content),
            expires=self._session.timers.seconds(str(chat)),
        )

    async def _everyone(self, chat: Address, route: Route) -> Everyone:
        """The devices of the chat's person and of the account, this one among them."""
        account = self._people.account
        theirs, own = self._devices.cached(chat), self._devices.cached(account)
        if theirs is None or own is None:
            return route.everyone(
                *await asyncio.gather(
                    self._devices.of(chat, route.to),
                    self._devices.of(account, route.own.canonical),
                )
            )
        return route.everyone(theirs, own)

    async def _leave(self, written: Callable[[], Awaitable[Letter]], chat: Address) -> Letter:
        """Write the message, have it leave for its devices, and return it.

        The turn gives the place in the order; the commit is shared with whoever waits then.
        """
        tries = MAX_OUTRUN
        while True:
            async with self.turn(chat):
                letter = await written()
                leaving = await self._put(letter)
            try:
                await leaving
            except Outrun:
                tries -= 1
                if not tries:
                    raise SendError("session_lost") from None
            else:
                return letter

    async def _put(self, letter: Letter) -> asyncio.Future[Node]:
        found = await self.fanout.missing_bundles(letter.everyone.devices)
        leaving = self.departures.put(lambda: self._encrypt(letter, found))
        if found:
            # Who comes next is to find the sessions, and to use up no more prekeys.
            await asyncio.wait([leaving])
        return leaving

    async def _encrypt(self, letter: Letter, found: dict[Address, Bundle | None]) -> Node:
        """The stanza for the devices of a letter, inside a transaction."""
        if not letter.missed:
            self._check(letter.chat)  # of a limit that was told meanwhile, the refusal is for good
        targets: list[Node] = []
        identity = False
        # A copy for the own phone alone would be acknowledged, and nobody would have got it.
        reached = letter.missed or letter.chat == self._people.account
        account = letter.route.own.canonical
        for device in letter.everyone.devices:
            if device == letter.route.own:
                continue
            own = device.canonical == account
            encrypted = await self.fanout.encrypt_for(
                device, letter.copy if own else letter.message, letter.dress.enc, found
            )
            if encrypted is None:
                continue
            reached = reached or not own
            targets.append(Node("to", {"jid": str(device)}, (encrypted,)))
            if encrypted.attrs["type"] == "pkmsg":
                identity = True
        if not targets or not reached:
            raise SendError("no_devices")
        self._remember(letter)
        attrs = {"id": letter.number, "to": str(letter.route.to), **letter.dress.attrs}
        if letter.route.number is not None:
            attrs["peer_recipient_pn"] = str(letter.route.number)
        if letter.missed:
            attrs["device_fanout"] = "false"
        parts = [*letter.dress.parts, Node("participants", {}, targets)]
        if identity:
            parts += prekey_bundles.device_identity(self._session.credentials.read())
        return Node("message", attrs, parts)

    def _remember(self, letter: Letter) -> None:
        """Keep what retry receipts and votes will need, inside a transaction."""
        chat, route = str(self._people.canonical(letter.chat)), letter.route
        self._session.sent.remember(
            chat, letter.number, letter.message, self._clock(), wire=route.kind
        )
        self._session.outreach.note_begun(chat, letter.number)
        if letter.poll is not None:
            account, author = str(self._people.account), str(route.own.canonical)
            self._session.secrets.remember(chat, account, letter.number, letter.poll, author)

    def _agrees(self, letter: Letter, expected: str) -> bool:
        """Whether WhatsApp knows no other devices, as far as its hash says or asking for them did."""
        known = letter.everyone
        agreed = self._agreed.get(letter.chat)
        return expected in known.hashes or agreed == (known.hash, expected)

    async def _reach_missing(self, letter: Letter, expected: str) -> None:
        """WhatsApp knows other devices than the cache did: send to those that were missed.

        The message is acknowledged already, so a failure here is no failure of the send: the
        lists are fresh then, and the next message reaches the devices. Where nobody was missed the
        hash counts what is not known here, and is not asked about again.
        """
        chat, route, account = letter.chat, letter.route, self._people.account
        try:
            fresh = route.everyone(
                *await asyncio.gather(
                    self._devices.refresh(chat, route.to),
                    self._devices.refresh(account, route.own.canonical),
                )
            )
            missed = fresh.without(letter.everyone)
            if not missed.devices:
                if len(self._agreed) >= MOST_AGREED:
                    self._agreed.clear()
                self._agreed[chat] = (fresh.hash, expected)
                return
            with self._socket.acknowledgement(letter.number) as acknowledged:
                await self._leave(_as_it_is(replace(letter, everyone=missed, missed=True)), chat)
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


def _as_it_is(letter: Letter) -> Callable[[], Awaitable[Letter]]:
    async def written() -> Letter:
        return letter

    return written
