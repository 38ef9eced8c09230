"""The send pipeline: devices, sessions, encryption, commit, bytes, acknowledgement."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import NotConnected, SendError
from actors.connection.native import bundles, content
from actors.connection.native.addresses import Address, parse_optional, participant_hash
from actors.connection.native.agreement import BadSignature, Bundle
from actors.connection.native.committing import SessionRefusal
from actors.connection.native.departures import Departures
from actors.connection.native.devices import NotOnWhatsApp
from actors.connection.native.nodes import Node
from actors.connection.native.socket import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.native.turns import Turns
from actors.connection.native.writing import Dress, Place, dress, write
from actors.connection.polls import PollKeys
from actors.content import Media, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from actors.connection.engine import Outgoing
    from actors.connection.native.devices import Devices
    from actors.connection.native.media.upload import Uploader
    from actors.connection.native.people import People
    from actors.connection.native.signal import Signal
    from actors.connection.native.socket import Socket
    from actors.connection.session import Session
    from actors.connection.uploads import Upload
    from actors.content import Content

log = structlog.get_logger()

PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 406, 410})
"""Error numbers in an ack that the same message would meet again."""

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of one message; WhatsApp's own clients cut a text far below."""

MAX_OUTRUN: Final = 3
"""How often a send starts over because a session went while its keys were asked for."""

UNREACHABLE_SECONDS: Final = 60.0
"""How long the account's own device without a bundle is left alone before it is asked for again."""


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A message and its copy for the account's own devices, not padded, and its stanza's words.

    `poll` is what the votes will be read with, where it is one.
    """

    message: bytes
    copy: bytes
    dress: Dress
    poll: PollKeys | None = None


class _Outrun(Exception):  # noqa: N818 - reads as what it is
    """A session that was there is gone: its owner set up the phone anew meanwhile."""


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
        self._signal = signal
        self._people = people
        self._devices = devices
        self._socket = socket
        self._ack_timeout = ack_timeout
        self._clock = clock
        self._departures = Departures(session, socket)
        self.turn = Turns().of
        self._order = Turns().of
        self._unreachable: dict[Address, float] = {}

    async def send(self, outgoing: Outgoing) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`."""
        chat = parse_optional(outgoing.chat)
        if chat is None or not chat.is_person:
            raise SendError("unsupported_chat", permanent=True)
        chat = self._people.canonical(chat)
        # Who comes later waits for the file of who came first.
        async with self._order(chat):
            upload = await self._upload(outgoing)
        lid = self._people.lid
        place = Place(
            str(chat),
            str(self._people.account),
            self._clock(),
            None if lid is None else str(lid.canonical),
        )
        message = write(outgoing.content, place, upload)
        if len(message) > MAX_MESSAGE:
            raise SendError("too_large", permanent=True)
        plaintext = Plaintext(
            message,
            content.device_sent(message, str(chat)),
            dress(message),
            _poll(outgoing.content),
        )
        with self._socket.acknowledgement(outgoing.message_id) as acknowledged:
            devices = await self._write(outgoing.message_id, chat, plaintext)
            ack = await self._acknowledged(acknowledged)
        expected = ack.attrs.get("phash")
        if expected and expected != participant_hash(devices):
            await self._reach_missing(outgoing.message_id, chat, plaintext, devices)
        stamp = ack.number("t")
        return self._clock() if stamp is None else float(stamp)

    async def close(self) -> None:
        """Send nothing more."""
        await self._departures.close()

    async def _write(self, number: str, chat: Address, plaintext: Plaintext) -> tuple[Address, ...]:
        """Encrypt for all devices, commit, hand to the network; return the devices listed."""
        with _told():
            return await self._leave(number, chat, plaintext)

    async def _upload(self, outgoing: Outgoing) -> Upload | None:
        """Where the file of the message is, once it is there; None where it has none."""
        said = outgoing.content
        if self._uploader is None or not isinstance(said, Media):
            return None
        with _told():
            return await self._uploader.upload(outgoing.message_id, said)

    async def _everyone(self, chat: Address) -> tuple[Address, ...]:
        """The devices of the chat's person and of the account, this one among them."""
        account = self._people.account
        theirs, own = self._devices.cached(chat), self._devices.cached(account)
        if theirs is not None and own is not None:
            listed = (theirs, own)
        else:
            listed = await asyncio.gather(self._devices.of(chat), self._devices.of(account))
        return tuple(dict.fromkeys((*listed[0], *listed[1], self._people.device)))

    async def _leave(
        self,
        number: str,
        chat: Address,
        plaintext: Plaintext,
        missed: tuple[Address, ...] | None = None,
    ) -> tuple[Address, ...]:
        """Write the message for the `missed` devices, or for everyone's; return which those were.

        The turn gives the place in the order; the commit is shared with whoever waits then.
        """
        tries = MAX_OUTRUN
        async with self.turn(chat):
            devices = missed if missed is not None else await self._everyone(chat)
            leaving = await self._put(number, chat, plaintext, devices, fanout=missed is None)
        while True:
            try:
                await leaving
            except _Outrun:
                tries -= 1
                if not tries:
                    raise SendError("session_lost") from None
            else:
                return devices
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
        found = await self._missing_bundles(devices)
        leaving = self._departures.put(
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
            encrypted = await self._encrypt_for(
                device, plaintext.copy if own else plaintext.message, plaintext.dress, found
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
            parts += bundles.device_identity(self._session.credentials())
        return Node("message", attrs, parts)

    async def _encrypt_for(
        self,
        device: Address,
        plaintext: bytes,
        dress: Dress,
        found: dict[Address, Bundle | None],
    ) -> Node | None:
        """The ``<enc>`` for one device; None where there is no way to encrypt for it.

        Raises `_Outrun` where nobody looked for one: the device would miss the message.
        """
        known = self._people.known_as(device)
        name = str(known)
        if not self._signal.has_session(name):
            if device not in found:
                raise _Outrun
            bundle = found[device]
            if bundle is None:
                return None
            phone = self._session.identity(str(known.canonical))
            if phone is None and (first := found.get(device.canonical)) is not None:
                phone = first.identity_key
            if not bundles.belongs(bundle, device, phone):
                log.warning("bundle refused", action="bundle.not_of_its_phone")
                return None
            try:
                await self._signal.establish(name, bundle)
            except BadSignature:
                log.warning("bundle refused", action="bundle.bad_signature")
                return None
        kind, ciphertext = await self._signal.encrypt(name, content.pad(plaintext))
        return Node("enc", {"v": "2", "type": kind, **dress.enc}, ciphertext)

    async def _missing_bundles(self, devices: Sequence[Address]) -> dict[Address, Bundle | None]:
        """The devices that there is no session with, and their bundles as far as they have any."""
        now = time.monotonic()
        missing = [
            device
            for device in devices
            if device != self._people.device
            and not self._signal.has_session(str(self._people.known_as(device)))
        ]
        asked = [one for one in missing if self._unreachable.get(one, 0.0) <= now]
        found: dict[Address, Bundle | None] = dict.fromkeys(missing)
        if asked:
            found |= bundles.answer(await self._socket.request(bundles.query(asked)))
        for device in asked:
            if found[device] is None and self._people.is_account(device):
                self._unreachable[device] = now + UNREACHABLE_SECONDS
        return found

    async def _acknowledged(self, waiting: asyncio.Future[Node]) -> Node:
        try:
            async with asyncio.timeout(self._ack_timeout):
                ack = await waiting
        except TimeoutError:
            raise SendError("ack_timeout", uncertain=True) from None
        except ConnectionLost:
            raise SendError("connection_lost", uncertain=True) from None
        if ack.attrs.get("error", "0") not in ("", "0"):
            # A word of the server's making is no stable code.
            code = ack.number("error") or 0
            raise SendError(f"refused_{code}", permanent=code in PERMANENT)
        return ack

    async def _reach_missing(
        self, number: str, chat: Address, plaintext: Plaintext, reached: tuple[Address, ...]
    ) -> None:
        """WhatsApp knows other devices than the cache did: send to those that were missed.

        The message is acknowledged already, so a failure here is no failure of the send: the
        lists are fresh then, and the next message reaches the devices.
        """
        try:
            theirs, own = await asyncio.gather(
                self._devices.refresh(chat), self._devices.refresh(self._people.account)
            )
            missed = tuple(one for one in (*theirs, *own) if one not in reached)
            if not missed:
                return
            with self._socket.acknowledgement(number) as acknowledged:
                await self._leave(number, chat, plaintext, missed)
                await self._acknowledged(acknowledged)
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


@contextmanager
def _told() -> Iterator[None]:
    """What a question or the network raises, as the `SendError` of whoever sends."""
    try:
        yield
    except NotOnWhatsApp:
        raise SendError("not_on_whatsapp", permanent=True) from None
    except RequestTimeout:
        raise SendError("whatsapp_timeout") from None
    except RequestFailed as failed:
        raise SendError(f"request_failed_{failed.code}") from None
    except ConnectionLost as lost:
        if lost.written:
            raise SendError("connection_lost", uncertain=True) from None
        raise NotConnected from None


def _poll(said: Content) -> PollKeys | None:
    if not isinstance(said, Poll) or said.secret is None:
        return None
    return PollKeys(bytes.fromhex(said.secret), said.options)
