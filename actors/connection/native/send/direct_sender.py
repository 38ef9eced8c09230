"""Sends a message to a person, encrypted for each device of both sides; returns the ack's time or raises `SendError`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import NotConnected, SendError
from actors.connection.native.identities.addressing_mode import Routes
from actors.connection.native.send.outgoing_message import DirectLetter
from actors.connection.native.send.pipeline import OutgoingStanza
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.send.plaintext import poll_secret
from actors.connection.protocol.send.send_acks import failures_logged, forget_begun, send_errors
from actors.connection.protocol.send.to_proto import dress
from actors.connection.protocol.session_transactions import transaction
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.engine import SendRequest
    from actors.connection.native.identities.addressing_mode import Route
    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.identities.recipient_devices import Everyone
    from actors.connection.native.send.pipeline import SendPipeline
    from actors.connection.native.signal.key_agreement import Bundle
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.addresses import Kind
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session

log = structlog.get_logger()


MOST_AGREED: Final = 10_000
"""Chats of which it is remembered that WhatsApp's hash counts what is not known here."""


class DirectSender:
    """Sends to persons over one socket; order and commits are the pipeline's."""

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        devices: Devices,
        socket: Socket,
        *,
        pipeline: SendPipeline,
        permit: Callable[[Address], None] = lambda _: None,
    ) -> None:
        """`permit` raises where nothing may leave for a chat now."""
        self._session = session
        self._people = people
        self._devices = devices
        self._socket = socket
        self._pipeline = pipeline
        self._permit = permit
        self.routes = Routes(session, people, devices, pipeline.clock)
        self._agreed: dict[Address, tuple[str, str]] = {}

    async def send(self, outgoing: SendRequest) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`."""
        chat = parse_optional(outgoing.chat)
        if chat is None or not chat.is_person:
            raise SendError("unsupported_chat", permanent=True)
        chat = self._people.canonical(chat)
        self._check(chat)
        upload = await self._pipeline.upload(outgoing, chat)
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
        return self._pipeline.acknowledged_at(ack)

    async def _prefer_numbers(self) -> None:
        """Note that WhatsApp takes numbers where it refuses LIDs; else the next refusal shows it."""
        log.warning("no LIDs for a while", action="send.by_number")
        try:
            async with transaction(self._session, self._socket):
                self.routes.prefer_numbers()
        except ConnectionLost:
            return

    async def _attempt(
        self, outgoing: SendRequest, chat: Address, upload: Upload | None, kind: Kind | None = None
    ) -> tuple[DirectLetter, Node]:
        """Send it, by addresses of this kind; return it and WhatsApp's ack. Raises `SendError`."""
        with self._pipeline.acknowledgement(outgoing.message_id) as acknowledged:
            with send_errors():
                write = partial(self._written, outgoing, chat, upload, kind)
                letter = await self._pipeline.leave(chat, write)
            try:
                return letter, await self._pipeline.acknowledged(acknowledged)
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
        self, outgoing: SendRequest, chat: Address, upload: Upload | None, kind: Kind | None
    ) -> tuple[DirectLetter, OutgoingStanza]:
        """The message as it leaves now: its addresses are those of the stanza."""
        self._check(chat)
        # A message that may have arrived keeps its addresses, or its recipient may see two (G3).
        wire = kind or self._session.sent.wire(str(chat), outgoing.message_id)
        route = await self.routes.to(chat, wire)
        message = self._pipeline.plaintext(
            outgoing,
            chat,
            upload,
            to=route.to,
            named=lambda person: self._people.named(person, route.kind),
            expires=self._session.timers.seconds(str(chat)),
        )
        return self._stanza(
            DirectLetter(
                outgoing.message_id,
                chat,
                message,
                dress(message),
                poll_secret(outgoing.content),
                wrappers.device_sent(message, str(route.to)),
                route,
                await self._everyone(chat, route),
            )
        )

    def _stanza(self, letter: DirectLetter) -> tuple[DirectLetter, OutgoingStanza]:
        return letter, OutgoingStanza(letter.everyone.devices, partial(self._encrypt, letter))

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

    async def _encrypt(self, letter: DirectLetter, found: dict[Address, Bundle | None]) -> Node:
        """The stanza for the devices of a letter, inside a transaction."""
        if not letter.missed:
            self._check(letter.chat)  # the refusal by a limit that came meanwhile is for good
        copies: list[Node] = []
        targets: list[Node] = []
        # A copy for the own phone alone would be acknowledged, and nobody would have got it.
        reached = letter.missed or letter.chat == self._people.account
        account = letter.route.own.canonical
        for device in letter.everyone.devices:
            if device == letter.route.own:
                continue
            own = device.canonical == account
            encrypted = await self._pipeline.fanout.encrypt_for(
                device, letter.copy if own else letter.message, letter.dress.enc, found
            )
            if encrypted is None:
                continue
            reached = reached or not own
            copies.append(encrypted)
            targets.append(Node("to", {"jid": str(device)}, (encrypted,)))
        if not targets or not reached:
            raise SendError("no_devices")
        self._pipeline.remember(letter, letter.route.own.canonical, letter.route.kind)
        whom = str(self._people.canonical(letter.chat))
        self._session.outreach.note_begun(whom, letter.number)
        attrs = {"id": letter.number, "to": str(letter.route.to), **letter.dress.attrs}
        if letter.route.number is not None:
            attrs["peer_recipient_pn"] = str(letter.route.number)
        if letter.missed:
            attrs["device_fanout"] = "false"
        parts = [*letter.dress.parts, Node("participants", {}, targets)]
        return Node("message", attrs, (*parts, *self._pipeline.device_identity(copies)))

    def _agrees(self, letter: DirectLetter, expected: str) -> bool:
        """Whether WhatsApp knows no other devices, as far as its hash says or asking for them did."""
        devices = letter.everyone
        agreed = self._agreed.get(letter.chat)
        return expected in devices.hashes or agreed == (devices.hash, expected)

    async def _reach_missing(self, letter: DirectLetter, expected: str) -> None:
        """WhatsApp knows other devices than the cache did: send to those that were missed.

        Where nobody was missed the hash counts what is not known here, and is not asked about again.
        """
        chat, route, account = letter.chat, letter.route, self._people.account
        with failures_logged():
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
            more = replace(letter, everyone=missed, missed=True)

            async def written() -> tuple[DirectLetter, OutgoingStanza]:
                return self._stanza(more)

            with self._pipeline.acknowledgement(letter.number) as acknowledged:
                await self._pipeline.leave(chat, written)
                await self._pipeline.acknowledged(acknowledged)
