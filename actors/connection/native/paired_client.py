"""Runs one socket of a paired device from login to loss: stores messages and receipts, sends, maintains prekeys."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from actors.connection.abilities.administration import Administration
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.native import media_queries
from actors.connection.native.administration.group_requests import NativeGroupRequests
from actors.connection.native.administration.profile_requests import NativeProfileRequests
from actors.connection.native.calls import RingingCalls
from actors.connection.native.identities.devices import Devices
from actors.connection.native.identities.group_queries import OverSocket
from actors.connection.native.receive import presence
from actors.connection.native.receive.offline_queue import OfflineQueue
from actors.connection.native.receive.stanza_handler import StanzaHandler
from actors.connection.native.send.direct_sender import DirectSender
from actors.connection.native.send.group_sender import GroupSender
from actors.connection.native.send.peer_messages import PeerMessages
from actors.connection.native.send.pipeline import SendPipeline
from actors.connection.native.send.read_marks import ReadMarks
from actors.connection.native.send.resend import Resender
from actors.connection.native.signal.device_sessions import Signal
from actors.connection.native.signal.prekeys import Prekeys
from actors.connection.native.transport import login
from actors.connection.protocol.administration.group_administration import GroupAdministration
from actors.connection.protocol.administration.open_login import OpenLogin
from actors.connection.protocol.administration.profile_administration import ProfileAdministration
from actors.connection.protocol.background_tasks import BackgroundTasks
from actors.connection.protocol.identities.addresses import GROUP, SERVER, Address, parse_optional
from actors.connection.protocol.identities.group_members import (
    MemberLists,
    NotInGroup,
    UnknownGroup,
)
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.limits import limit_queries
from actors.connection.protocol.limits.limit_enforcement import LimitEnforcement
from actors.connection.protocol.phone.resend_requests import ResendRequests
from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.history.history_worker import HistoryWorker
from actors.connection.protocol.receive.stanza_receiver import Receiver
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Coroutine, Sequence

    from actors.connection.engine import EngineEvents, SendRequest, Traffic
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.media.transfers import FileTransfers
    from actors.connection.protocol.session_transactions import Low
    from actors.connection.session.session import Session
    from actors.connection.whatsapp_version import Versions
    from actors.messages.content import ReadMark

log = structlog.get_logger()

UNACKNOWLEDGED_TAGS = frozenset(
    {"", "ack", "chatstate", "error", "failure", "ib", "iq", "presence", "success"}
)
"""Tags of stanzas that wait for no ack; each other one is answered, or WhatsApp sends it again."""

SUCCESS_TIMEOUT = 30.0
"""Seconds from the handshake to WhatsApp's ``<success>``."""


class PairedClient:
    """Everything that one socket of a paired device does. `run` ends with `ConnectionLost`.

    An error ends the socket with a cause, so that it is opened again: a connection that is not
    logged in does not stay up (G8). One stanza that cannot be handled ends nothing.
    """

    def __init__(
        self,
        session: Session,
        socket: Socket,
        device: Address,
        lid: Address | None,
        events: EngineEvents,
        *,
        ack_timeout: float,
        signed_prekey_age: float,
        counts: Counter[str],
        versions: Versions,
        hold: bool = False,
        carrying: FileTransfers | None = None,
        show_online: bool = False,
        low: Low | None = None,
    ) -> None:
        """`hold`: stanzas are acknowledged only once they are stored elsewhere; while the disk is `low`, no message."""
        self._carrying = carrying
        self._session = session
        self._socket = socket
        self._tasks = BackgroundTasks(socket)
        self._start = self._tasks.start
        self._events = events
        self._counts = counts
        self._versions = versions
        self._people = LidMapping(session, device, lid)
        self._appearance = presence.Appearance(session, self._people, socket, always=show_online)
        self._signal = Signal(session, on_identity_change=self._reinstalled)
        self._devices = Devices(session, self._people, socket, time.time, on_inbox=events.on_inbox)
        groups = OverSocket(socket)
        self._rosters = MemberLists(session, self._people, socket, groups, on_inbox=events.on_inbox)
        login = OpenLogin(session, self._people, socket, lambda: self._logged_in, events.on_inbox)
        self.administration = Administration(
            GroupAdministration(login, self._rosters, NativeGroupRequests(socket)),
            ProfileAdministration(login, NativeProfileRequests(socket), carrying),
        )
        self._prekeys = Prekeys(session, self._signal, socket, signed_prekey_age, time.time)
        self._limits = LimitEnforcement(
            session, socket, self._people, events, counts, start=self._start
        )
        self._pipeline = SendPipeline(
            session,
            self._signal,
            self._people,
            socket,
            ack_timeout=ack_timeout,
            uploader=None if carrying is None else carrying.uploader,
        )
        self._sender = DirectSender(
            session,
            self._people,
            self._devices,
            socket,
            pipeline=self._pipeline,
            permit=self._limits.check,
        )
        self._group_sender = GroupSender(
            session,
            self._people,
            self._devices,
            self._rosters,
            socket,
            pipeline=self._pipeline,
        )
        peers = PeerMessages(self._people, self._pipeline)
        self._resends = ResendRequests(session, self._people, socket, peers, counts=counts)
        self._marks = ReadMarks(session, socket)
        self._resender = Resender(session, self._signal, self._people, socket, self._pipeline.turn)
        self._incoming = StanzaHandler(
            session,
            self._signal,
            self._people,
            self._devices,
            self._rosters,
            clock=time.time,
            hold=hold,
            active=lambda: self._appearance.active,
            pictures=None if carrying is None else carrying.pictures.cache,
        )
        self._receiver = Receiver(
            session,
            socket,
            self._incoming,
            counts=counts,
            on_inbox=self._on_news,
            on_task=self._on_task,
            prepares=self._incoming,
            low=low,
        )
        self._history = HistoryWorker(
            session,
            self._people,
            self._rosters,
            socket,
            web=None if carrying is None else carrying.web,
            hosts=None if carrying is None else carrying.hosts,
            counts=counts,
            on_inbox=self._on_news,
            tell=lambda one: socket.send(receipts.of_history(one, str(self._people.account))),
            hold=hold,
            low=low,
        )
        self._calls = RingingCalls(self._people, socket, events.on_call)
        self._offline = OfflineQueue(socket)
        self._succeeded = asyncio.Event()
        self._logged_in = False

    async def run(self) -> None:
        """Serve until the socket ends."""
        receiving = asyncio.create_task(self._receiver.run())
        reading = asyncio.create_task(self._read())
        self._tasks.add(receiving)
        self._tasks.add(reading)
        self._start("login", self._expect_success())
        done, _ = await asyncio.wait((receiving, reading), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def send(self, message: SendRequest) -> float:
        """Send one message; see `DirectSender.send`. Raises `NotConnected` before the login is done."""
        self._require_login()
        try:
            chat = parse_optional(message.chat)
            if chat is not None and chat.server == GROUP:
                return await self._group_sender.send(message, chat)
            return await self._sender.send(message)
        except SendError as refused:
            await self._limits.met(refused)
            raise
        except SessionRefusal as refusal:
            # Read before anything left: once the stanza is written the session is not asked again.
            self._socket.fail(cause_of(refusal))
            raise NotConnected from refusal

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """See `ReadMarks.send`. Raises `NotConnected` before the login is done."""
        self._require_login()
        where = parse_optional(chat)
        if where is None or not (where.is_person or where.server == GROUP):
            raise SendError("unsupported_chat", permanent=True)
        await self._marks.send(self._people.canonical(where), mark, at)

    async def request_resend(self, chat: str, sender: str, message_id: str) -> None:
        """See `ResendRequests.request`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await self._resends.request(chat, sender, message_id)

    async def reject_call(self, call: str) -> None:
        """See `RingingCalls.reject`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await self._calls.reject(call)

    @property
    def traffic(self) -> Traffic | None:
        """The newest traffic; None before the login is done."""
        return self._socket.traffic if self._logged_in else None

    async def probe(self, within: float) -> bool:
        """See `Socket.ping`. Raises `NotConnected` also once the socket ended."""
        self._require_login()
        try:
            return await self._socket.ping(within)
        except ConnectionLost:
            raise NotConnected from None

    async def lookup(self, number: str) -> str | None:
        """See `presence.lookup`. Raises `NotConnected` before the login is done."""
        self._require_login()
        with send_errors():
            found = await presence.lookup(self._socket, number, self._devices.note_answer)
        return found and str(self._people.canonical(Address.parse(found)))

    async def presence(self, *, available: bool) -> None:
        """See `Appearance.show`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await self._appearance.show(available=available)

    async def configure(self, *, show_online: bool) -> None:
        """See `Appearance.configure`."""
        await self._appearance.configure(always=show_online)

    async def typing(self, chat: str, state: str) -> None:
        """See `presence.show_typing`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await presence.show_typing(self._socket, self._sender.routes, chat, state)

    async def subscribe(self, chat: str) -> None:
        """See `presence.subscribe`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await presence.subscribe(self._socket, self._sender.routes, chat)

    def _require_login(self) -> None:
        if not self._logged_in:
            raise NotConnected

    async def settled(self, keys: Sequence[int]) -> None:
        """Inbox items are stored elsewhere."""
        with suppress(ConnectionLost):  # what was held for that comes again
            await self._receiver.settled(keys)
        self._history.look()

    async def close(self) -> None:
        """End what runs in the background."""
        if self._carrying is not None:
            self._carrying.detach()
        await self._tasks.end()
        await self._pipeline.close()

    async def _read(self) -> None:
        while True:
            stanza = await self._socket.receive()
            if "offline" in stanza.attrs:
                self._offline.arrived()
            if stanza.tag == "success":
                self._succeeded.set()
                self._start("login", self._log_in(stanza))
            elif stanza.tag == "ib":
                await self._information(stanza)
            elif stanza.tag == "iq" and stanza.attrs.get("type") == "get":
                answer = {"to": SERVER, "type": "result", "id": stanza.attrs.get("id", "")}
                await self._socket.send(Node("iq", answer))
            elif (heard := presence.presence_of(stanza, self._people)) is not None:
                self._counts[f"{stanza.tag}.heard"] += 1
                await self._events.on_presence(heard)
            elif stanza.tag in UNACKNOWLEDGED_TAGS:
                self._counts["stanza.dropped"] += 1
            else:
                await self._receiver.put(stanza)

    async def _expect_success(self) -> None:
        try:
            async with asyncio.timeout(SUCCESS_TIMEOUT):
                await self._succeeded.wait()
        except TimeoutError:
            self._socket.fail(Cause(Kind.NETWORK, "no_success"))

    async def _log_in(self, stanza: Node) -> None:
        await login.note_success(self._session, self._people, self._socket, stanza)
        await self._prekeys.at_login()
        await login.activate(self._socket)
        self._logged_in = True
        await self._appearance.open()
        if self._carrying is not None:
            request = media_queries.phone(
                self._socket, str(self._people.account), self._sender.routes
            )
            self._carrying.attach(media_queries.servers(self._socket), request)
        await self._events.on_version_end(self._versions.ends_at)
        await self._limits.open()
        await self._events.on_open()
        self._start("history", self._history.run())
        self._start("phone", self._resends.run())
        await self._prekeys.rotate()

    async def _information(self, stanza: Node) -> None:
        if self._offline.inform(stanza):
            self._start("offline", self._offline.run())
        routing = stanza.child("edge_routing")
        if routing is not None:
            await login.note_routing(self._session, self._socket, routing.bytes_of("routing_info"))
        expiration = stanza.child("client_expiration")
        if expiration is not None:
            self._start("version", self._note_version_end(expiration.attrs.get("t")))

    async def _note_version_end(self, at: str | None) -> None:
        await self._versions.note_end(at)
        await self._events.on_version_end(self._versions.ends_at)

    async def _on_news(self) -> None:
        await self._events.on_inbox()
        await self._appearance.look()

    def _on_task(self, kind: str, stanza: Node) -> None:
        work: dict[str, Callable[[], Coroutine[object, object, None]]] = {
            "resend": lambda: self._resender.answer(stanza, self._counts),
            "limits": self._limits.report,
            "roster": lambda: self._learn_members(stanza),
            "call": lambda: self._calls.report(stanza),
            "prekeys": self._prekeys.top_up,
        }
        if kind in work:
            self._start(kind, work[kind]())
        elif kind == "history":
            answer = partial(self._socket.send, *receipts.delivered(stanza, from_me=True))
            self._history.look(stanza.attrs["id"], answer)
        elif kind == "file" and self._carrying is not None:
            self._carrying.look()
        elif kind == "placeholder":
            self._resends.look()
        elif kind == "privacy":
            self._marks.invalidate()
        elif kind == "limit_query":
            self._limits.query_limit(limit_queries.lock_query())

    async def _learn_members(self, stanza: Node) -> None:
        """Ask who is in the group, then judge the stanza again: it is not acknowledged yet."""
        chat = Address.parse(stanza.attrs["from"])
        try:
            await self._rosters.refresh(chat)
        except (NotInGroup, UnknownGroup, RequestFailed):
            self._incoming.untold.add(chat)
        except RequestTimeout:
            return  # it comes again at the next login
        await self._receiver.put(stanza)

    def _reinstalled(self, address: str) -> None:
        person = self._people.canonical(Address.parse(address))
        self._counts["identity.changed"] += 1
        log.info("another identity key", action="identity.changed")
        self._devices.forget(person)
        self._session.groups.drop_own_sender_keys(str(person))
