"""The second engine: whatsmeow, by neonize; mature, with the weaker promise that it declares."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from errno import ENOSPC
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.account.unable import Unable
from actors.connection.causes import Cause, Kind
from actors.connection.engine import ENGINES, UNSUPPORTED, NotConnected, SendError, Traffic
from actors.connection.names.session_names import SessionNames
from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.receive.presence import Visibility
from actors.connection.native.receive.transactions import SessionRefusal, cause_of
from actors.connection.neonize import causes
from actors.connection.neonize.client import Client, Code, Event, Over, Retired
from actors.connection.neonize.client import Paired as PairingOver
from actors.connection.neonize.incoming import Incoming, address
from actors.connection.neonize.journal import Journal
from actors.connection.neonize.pairing import Linking
from actors.connection.neonize.requests import Asking
from actors.connection.neonize.server import point
from actors.connection.neonize.store import StoreDamaged
from actors.connection.refused_items.session_items import SessionRefusedItems
from actors.connection.session.session import SessionDamaged, StaleEpoch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.config.settings import Settings
    from actors.connection.engine import (
        EngineEvents,
        Group,
        InboxKind,
        Outgoing,
        PairingCode,
    )
    from actors.connection.neonize.client import Heard
    from actors.connection.neonize.journal import Batch
    from actors.connection.neonize.library import Library
    from actors.connection.neonize.store import Store
    from actors.connection.session.session import Session
    from actors.messages.content import ReadMark

log = structlog.get_logger()

RESEND_PATIENCE: Final = 60.0
"""Seconds until a placeholder stands for a message whose resend was asked for and did not come."""

LOGOUT_TIMEOUT: Final = 5.0


class NeonizeEngine(SessionRefusedItems, SessionNames, Unable):
    """Receives with a window of loss, sends at least once, one owner at a time (G6).

    What arrives is on disk as soon as whatsmeow tells of it, which is after it told WhatsApp: what
    it had not told when the process dies is lost. WhatsApp gets each message under an id of
    whatsmeow's, and another at each attempt; the session file knows which is which.
    """

    guarantees = ENGINES["neonize"]
    recorder = None  # the library shows no stanzas

    def __init__(
        self,
        settings: Settings,
        session: Session,
        store: Store,
        library: Library,
        events: EngineEvents,
    ) -> None:
        """Raises `EngineUnfit`."""
        point(library, settings)
        self._settings = settings
        self._session = session
        self._store = store
        self._library = library
        self._events = events
        self._client: Client | None = None
        self._linking = Linking(library.events)
        self._retired = Retired()
        self._people: People | None = None
        self._incoming: Incoming | None = None
        self._open = False
        self._ended: asyncio.Future[Cause] | None = None
        self._closing: Cause | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._journal = Journal(
            session, learn=self._learn, follow=self._follow, on_inbox=events.on_inbox
        )
        self._last_heard = 0.0
        self._visibility = Visibility()
        with suppress(StoreDamaged):  # Go tells
            self._know(store.device())
        self._told = self.account
        self._listening = asyncio.ensure_future(self._listen())

    @property
    def account(self) -> str | None:
        """The canonical address of the paired account."""
        return None if self._people is None else str(self._people.account)

    async def run(self) -> Cause:
        """Log in once, serve until that ends; see the port. Raises `WornOut`, too."""
        if self._closing is not None:
            return self._closing
        self._idle.clear()
        try:
            cause = await self._run()
        finally:
            self._idle.set()
        log.info("socket ended", action="socket.ended", cause=str(cause))
        return cause

    async def send(self, message: Outgoing) -> float:
        """Send one message, under an id of whatsmeow's; see the port."""
        async with self._turn:  # whatsmeow has one turn for all chats, and fails who waits too long
            asking = self._asking
            await self._own()
            at, left = await asking.send(message)
        self._journal.depart(left)
        try:
            await self._journal.write_down()
        except SessionRefusal as refusal:  # written before the next login
            self._end(cause_of(refusal))
        return at

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """Tell that messages were read; see the port."""
        async with self._turn:
            asking = self._asking
            await self._own()
            read = await asking.mark_read(chat, mark, at)
            try:
                async with self._session.transaction():
                    self._session.forget_unread(read)
            except SessionRefusal as refusal:  # a later mark of the chat names them again
                self._end(cause_of(refusal))

    @property
    def traffic(self) -> Traffic | None:
        """The traffic that whatsmeow reported last, without its own keepalive."""
        age = time.monotonic() - self._last_heard
        return Traffic(age, listening=not self._journal.waits) if self._open else None

    async def probe(self, within: float) -> bool:
        answered = await self._asking.probe(within)
        if answered:
            self._last_heard = time.monotonic()
        return answered

    async def pairing_code(self, phone: str) -> PairingCode:
        if self.account is not None:
            raise SendError("already_linked")
        again = Cause(Kind.RESTART_REQUIRED, "code_asked")
        code = await self._linking.code(
            lambda: self._client, Address.parse(phone), lambda: self._end(again)
        )
        await self._events.on_code(code)
        return code

    async def lookup(self, number: str) -> str | None:
        found = await self._asking.lookup(number)
        if found not in {None, number, self._session.answering(number)}:
            await self._change(lambda: self._session.learn_number(number, str(found)))
            await self._events.on_inbox()
        return found

    async def groups(self) -> Sequence[Group]:
        """No groups are told of."""
        raise SendError(UNSUPPORTED, permanent=True)

    async def subscribe(self, chat: str) -> None:  # noqa: ARG002 - the port's
        """Nobody's presence is told."""
        raise SendError(UNSUPPORTED, permanent=True)

    async def presence(self, *, available: bool) -> None:
        await self._asking.presence(available=available)
        self._visibility.asked = available

    async def configure(self, *, show_online: bool) -> None:
        self._visibility.configure(always=show_online)
        await self._show()

    async def typing(self, chat: str, state: str) -> None:
        await self._asking.typing(chat, state)

    async def pending(self, kind: InboxKind, limit: int) -> Sequence[Any]:
        """The oldest unsettled inbox items of that kind."""
        return self._session.pending(kind, limit)

    async def settle(self, keys: Sequence[int]) -> None:
        """Forget items that are stored elsewhere; as in the native engine."""
        await self._change(lambda: self._session.settle(keys))

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        """Have what is stored of former chats moved; as in the native engine."""
        await self._change(lambda: self._session.merge_chats(chats))
        await self._events.on_inbox()

    async def _change(self, change: Callable[[], Any]) -> Any:
        try:
            async with self._session.transaction():
                return change()
        except (StaleEpoch, SessionDamaged) as refusal:
            self._close_with(cause_of(refusal))
            await self._idle.wait()
            raise

    async def logout(self) -> None:
        """Unlink the device where it is connected; forget it here; `run` ends as logged out."""
        if self._client is not None and self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOGOUT_TIMEOUT):
                    await self._client.text("Logout")
        self._end(Cause(Kind.LOGGED_OUT, "asked"))
        await self._idle.wait()
        await self._forget()

    async def close(self) -> None:
        """Close the socket, wait until `run` returned, close the session file."""
        self._close_with(Cause(Kind.CLOSED))
        await self._idle.wait()
        await self._retired.stop(self._silence)
        with suppress(*SessionRefusal):
            await self._journal.write_down()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._session.close()

    async def _own(self) -> None:
        """Nothing leaves for an owner whose epoch is over (G6), or whose disk takes nothing."""
        try:
            async with self._session.transaction():
                pass
        except SessionRefusal as refusal:
            self._end(cause_of(refusal))
            raise NotConnected from None

    @property
    def _asking(self) -> Asking:
        if self._client is None or not self._open or self._people is None:
            raise NotConnected
        return Asking(
            self._client,
            self._people,
            self._session,
            self._library.events,
            self._end,
            self._settings.whatsapp_ack_timeout / 1000,
        )

    def _know(self, linked: tuple[Address, Address | None] | None) -> None:
        """Whose account this is; what it was told before is still taken once it is nobody's."""
        if linked is None:
            self._people = None
        elif self._people is None or (self._people.device, self._people.lid) != linked:
            self._people = People(self._session, *linked)
            self._incoming = Incoming(self._session, self._people, time.time)

    def _learn(self, batch: Batch) -> Incoming | None:
        """The taker of the events; each client says first as which device it is linked."""
        for client, heard in batch:
            if client is self._client and isinstance(heard, Event):
                event = heard.event
                if event.DESCRIPTOR.name == "Device":
                    lid = address(event.LID)
                    self._know((address(event.JID), lid if lid.is_person else None))
        return self._incoming

    # one login

    async def _run(self) -> Cause:
        try:
            async with self._session.transaction():
                self._session.prune(time.time())
            await self._retired.stop(self._silence)
            await self._journal.write_down()
            self._retired.check()
            database = self._store.prepare()
        except SessionRefusal as refusal:
            return cause_of(refusal)
        except OSError as error:
            return Cause(Kind.DISK_FULL if error.errno == ENOSPC else Kind.NETWORK, "store")
        if self._closing is not None:
            return self._closing
        self._ended = asyncio.get_running_loop().create_future()
        client = self._client = Client(
            self._library, database, self._hear, paired=self._people is not None
        )
        client.start()
        lapsing = asyncio.ensure_future(self._lapse())
        try:
            cause = await self._ended
        finally:
            self._open, self._client = False, None
            self._linking.begin()
            lapsing.cancel()
            self._retired.add(client)
            await client.disconnect()
        if cause.kind is Kind.LOGGED_OUT:
            await self._forget()
        return cause

    def _silence(self) -> float:
        return 0.0 if self._journal.waits else time.monotonic() - self._last_heard

    async def _forget(self) -> None:
        with suppress(*SessionRefusal):
            async with self._session.transaction():
                self._session.forget_credentials()
        self._store.remove()
        self._know(None)

    def _end(self, cause: Cause) -> None:
        """Let `run` return with this cause."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(cause)

    def _close_with(self, cause: Cause) -> None:
        """As `_end`, now and whenever `run` is called again."""
        if self._closing is None:
            self._closing = cause
        self._end(cause)

    # what whatsmeow tells

    def _hear(self, client: Client, heard: Heard) -> None:
        self._last_heard = time.monotonic()
        self._journal.hear(client, heard)

    async def _listen(self) -> None:
        """Deal with what clients hear, in order; what waits together shares a commit."""
        while True:
            await self._journal.news.wait()
            self._journal.news.clear()
            try:
                await self._journal.write_down()
            except SessionRefusal as refusal:
                # It was acknowledged: it is kept in memory, and written before the next login.
                self._end(cause_of(refusal))
            except Exception as error:  # noqa: BLE001 - told as the cause of the end
                log.error("engine failed", action="engine.failed", error=type(error).__name__)  # noqa: TRY400
                self._end(Cause(Kind.NETWORK, "engine_failed"))

    async def _follow(self, client: Client, heard: Heard) -> None:
        """The event's consequence for the connection, once its content is on disk."""
        if client is not self._client:
            return
        now = time.time()
        if isinstance(heard, Code):
            await self._events.on_qr(self._linking.qr(heard.text))
        elif isinstance(heard, PairingOver):
            if (cause := causes.from_pairing(heard.word)) is not None:
                self._end(cause)
        elif isinstance(heard, Over):
            self._end(causes.from_over(heard.error, now))
        elif (cause := causes.from_event(heard.event, now)) is not None:
            if heard.event.DESCRIPTOR.name == "LoggedOut":  # Go forgot the device
                self._know(None)
            self._end(cause)
        else:
            await self._rise(heard.event.DESCRIPTOR.name)

    async def _rise(self, kind: str) -> None:
        if kind not in ("PairStatus", "Device", "Connected"):
            return
        account = self.account
        if account is not None and account != self._told:
            self._told = account
            await self._events.on_paired(account)
        if kind == "Connected" and account is not None:
            self._open = True
            self._visibility.asked = None
            if self._visibility.always:
                await self._show()
            await self._events.on_open()

    async def _show(self) -> None:
        with suppress(NotConnected):  # the next login does it
            await self._asking.show(self._visibility)

    async def _lapse(self) -> None:
        while True:
            await asyncio.sleep(RESEND_PATIENCE / 4)
            if self._incoming is None or not self._session.wants():
                continue
            with suppress(*SessionRefusal):
                async with self._session.transaction():
                    shown = self._incoming.lapse(RESEND_PATIENCE)
                if shown:
                    await self._events.on_inbox()
