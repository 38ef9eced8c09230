"""Implements the WhatsApp engine interface in Python: one account, one socket at a time, state in the session file."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.connection.abilities.engine_base import EngineBase
from actors.connection.disconnects.causes import PROXY_CHANGED, Cause, Kind
from actors.connection.engine import ENGINES, NotConnected, SendError
from actors.connection.native.paired_client import PairedClient
from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.native.transport import login
from actors.connection.native.transport.keepalive import Keepalive
from actors.connection.native.transport.socket import Socket
from actors.connection.pairing_window import PairingWindow
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.media.transfers import FileTransfers
from actors.connection.protocol.request_errors import (
    ConnectionLost,
    HandshakeLost,
)
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of
from actors.connection.proxy.address import parse
from actors.connection.session.inbox_methods import SessionInbox
from actors.connection.whatsapp_version import Versions
from actors.metrics.mistakes import log_mistake
from actors.runtime.limits.disk_floor import DiskFloor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config.settings import Settings
    from actors.connection.abilities.administration import Administration
    from actors.connection.engine import (
        EngineEvents,
        PairingCode,
        SendRequest,
        Traffic,
    )
    from actors.connection.native.pairing.unpaired_client import UnpairedClient
    from actors.connection.proxy.address import ProxyAddress
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session
    from actors.connection.trace.recorder import Recorder
    from actors.media.store import MediaStore
    from actors.messages.content import ReadMark

log = structlog.get_logger()


class NativeEngine(SessionInbox, EngineBase):
    """Receives without loss (G5), sends under the caller's ids (G3), one owner at a time (G6).

    Opens the session file for `epoch`; raises what `Session.open` raises. `run` serves one socket
    after the other, whenever its owner calls it; before the end of a temporary ban it returns at
    once with that, also after a crash. `counts` has the stanzas so far, by kind and outcome.
    """

    guarantees = ENGINES["native"]

    def __init__(
        self,
        settings: Settings,
        session: Session,
        events: EngineEvents,
        *,
        recorder: Recorder,
        keepalive: Keepalive | None = None,
        media: MediaStore | None = None,
        floor: DiskFloor | None = None,
    ) -> None:
        """Files are in `media`; without it none is sent or fetched. Below the `floor` nothing that arrives is stored."""
        self._settings, self.recorder = settings, recorder
        self._session = session
        self._events = events
        self._versions = Versions(settings)
        self._keepalive = keepalive or Keepalive()
        self._socket: Socket | None = None
        self._linked: PairedClient | None = None
        self._enrolment: UnpairedClient | None = None
        self._offering = PairingWindow()
        self._opening: asyncio.Task[Socket] | asyncio.Task[bool] | None = None
        self._closing: Cause | None = None
        self._show_online = False
        self._proxy: ProxyAddress | None = None
        self.counts: Counter[str] = Counter()
        self._floor = floor or DiskFloor.of(settings, session.path.parent)
        self._idle = asyncio.Event()
        self._idle.set()
        self._carrying: FileTransfers | None = None
        if media is not None:
            self._carrying = FileTransfers(
                settings,
                session,
                media,
                counts=self.counts,
                events=events,
                on_refusal=lambda refusal: self._end(cause_of(refusal)),
            )

    @property
    def account(self) -> str | None:
        """The canonical address of the paired account."""
        return None if (own := self._session.credentials.read()) is None else own.account

    async def run(self) -> Cause:
        """Serve one socket until it ends; see the port."""
        if self._closing is not None:
            return self._closing
        self._idle.clear()
        if self._carrying is not None:
            self._carrying.start()
        try:
            cause = await self._run()
            if cause.kind is Kind.LOGGED_OUT:
                await self._forget()
            if cause.kind is Kind.TEMPORARILY_BANNED:
                await self._note_ban(cause)
        finally:
            self._idle.set()
        self.recorder.ended(cause)
        log.info("socket ended", action="socket.ended", cause=str(cause), counts=dict(self.counts))
        return cause

    async def send(self, message: SendRequest) -> float:
        """Send one message; see the port."""
        return await self._open_link.send(message)

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """Tell that messages were read; see the port."""
        await self._open_link.mark_read(chat, mark, at)

    async def request_resend(self, chat: str, sender: str, message_id: str) -> None:
        """Ask the account's phone for a message; see the port."""
        await self._open_link.request_resend(chat, sender, message_id)

    async def reject_call(self, call: str) -> None:
        """Refuse a call that rings; see the port."""
        await self._open_link.reject_call(call)

    @property
    def traffic(self) -> Traffic | None:
        """The newest traffic; see the port."""
        return None if self._linked is None else self._linked.traffic

    async def probe(self, within: float) -> bool:
        """Whether WhatsApp answers a ping; see the port."""
        return await self._open_link.probe(within)

    async def pairing_code(self, phone: str) -> PairingCode:
        """A code to type on that phone; see the port."""
        if self.account is not None:
            raise SendError("already_linked")
        seconds = await self._offering.left(self._renew)
        if self._enrolment is None:
            raise NotConnected
        return await self._enrolment.linking.open(phone, seconds)

    def _renew(self) -> None:
        if self._socket is not None:
            self._socket.fail(Cause(Kind.RESTART_REQUIRED, "code_asked"))

    async def lookup(self, number: str) -> str | None:
        """Whether a number is on WhatsApp; see the port."""
        return await self._open_link.lookup(number)

    async def presence(self, *, available: bool) -> None:
        """Show the account as online or not."""
        await self._open_link.presence(available=available)

    async def configure(self, *, show_online: bool) -> None:
        """Take over the settings of the connection; see the port."""
        self._show_online = show_online
        if self._linked is not None:
            await self._linked.configure(show_online=show_online)

    async def use_proxy(self, proxy: str | None) -> None:
        """Go through this proxy from now on; see the port."""
        through = None if proxy is None else parse(proxy)
        if through != self._proxy:
            self._proxy = self._versions.proxy = through
            if self._carrying is not None:
                await self._carrying.web.use(through)
            self._interrupt(PROXY_CHANGED)

    async def typing(self, chat: str, state: str) -> None:
        """Show what the account does in a chat."""
        await self._open_link.typing(chat, state)

    async def subscribe(self, chat: str) -> None:
        """Subscribe to a person's presence."""
        await self._open_link.subscribe(chat)

    @property
    def administration(self) -> Administration:
        """Lists and changes groups; see the port."""
        return self._open_link.administration

    @property
    def _open_link(self) -> PairedClient:
        if self._linked is None:
            raise NotConnected
        return self._linked

    async def _settled(self, keys: Sequence[int]) -> None:
        if self._linked is not None:
            await self._linked.settled(keys)

    def _end_by(self, refusal: Exception) -> None:
        self._end(cause_of(refusal))

    async def logout(self) -> None:
        """Unlink the device; `run` ends as logged out."""
        socket, own = self._socket, self._session.credentials.read()
        if socket is not None and self._linked is not None and own is not None:
            await login.unlink(socket, own.device or "")
        await self._forget()
        if socket is not None:
            await socket.close(Cause(Kind.LOGGED_OUT, "asked"))

    async def close(self) -> None:
        """Close the socket, wait until `run` returned, close the session file."""
        self._closing = Cause(Kind.CLOSED)
        if self._opening is not None:
            self._opening.cancel()
        if self._socket is not None:
            await self._socket.close(self._closing)
        await self._idle.wait()
        if self._carrying is not None:
            await self._carrying.close()
        await self.recorder.stop()
        self._session.close()

    def _end(self, cause: Cause) -> None:
        """Let `run` return with this cause, now and whenever it is called again."""
        if self._closing is None:
            self._closing = cause
            self._interrupt(cause)

    def _interrupt(self, cause: Cause) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._socket is not None:
            self._socket.fail(cause)

    async def _run(self) -> Cause:
        try:
            own = await self._credentials()
            if self._closing is not None:
                return self._closing
            if own.banned_until is not None and own.banned_until > time.time():
                return Cause(Kind.TEMPORARILY_BANNED, "not_over", own.banned_until)
            through = self._proxy
            self._opening = opening = asyncio.create_task(self._open(own))
            self._socket = await opening
            if through != self._proxy:
                return PROXY_CHANGED
            own = await self._remember(own, self._socket.server_key)
            return await self._after(await self._serve(self._socket, own))
        except ConnectionLost as lost:
            return lost.cause
        except SessionRefusal as refusal:
            return cause_of(refusal)
        except asyncio.CancelledError:
            # `_interrupt` cancels the opening, the owner cancels this task: only the latter is passed on.
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            return self._closing or PROXY_CHANGED
        except Exception as error:  # noqa: BLE001 - reported as the cause of the end
            log_mistake("engine failed", "engine.failed", error)
            return Cause(Kind.NETWORK, "engine_failed")
        finally:
            self._opening = None
            socket, self._socket = self._socket, None
            if socket is not None:
                await socket.close(self._closing or Cause(Kind.CLOSED))

    async def _after(self, cause: Cause) -> Cause:
        """The cause; where WhatsApp refused a version, and there is another, to log in with that."""
        if cause.kind is not Kind.OUTDATED or self._closing is not None:
            return cause
        self._opening = request = asyncio.create_task(self._versions.another())
        return Cause(Kind.RESTART_REQUIRED, "another_version") if await request else cause

    async def _open(self, own: Credentials) -> Socket:
        version = await self._versions.announced()
        root_key = bytes.fromhex(self._settings.whatsapp_root_key)
        words = login.words(own, version, root_key)
        self.recorder.login(words.payload)
        try:
            url = self._settings.whatsapp_url
            return await Socket.open(url, words, self.recorder, self._proxy)
        except HandshakeLost:
            # The next login asks afresh, whatever of this was to blame.
            await self._remember(own, None)
            raise

    async def _remember(self, own: Credentials, server_key: bytes | None) -> Credentials:
        """Keep the server's key for the next login; None forgets it and the routing as well."""
        changed = replace(
            own, server_key=server_key, routing=own.routing if server_key is not None else None
        )
        if changed != own:
            async with self._session.transaction():
                self._session.credentials.save(changed)
        return changed

    async def _serve(self, socket: Socket, own: Credentials) -> Cause:
        if self._closing is not None:
            return self._closing
        part: PairedClient | UnpairedClient
        if own.device is None:
            from actors.connection.native.pairing.unpaired_client import (  # noqa: PLC0415 - once in a life
                UnpairedClient,
            )

            part = self._enrolment = UnpairedClient(
                self._session, socket, own, self._events, self._offering
            )
        else:
            part = self._linked = PairedClient(
                self._session,
                socket,
                Address.parse(own.device),
                parse_optional(own.lid),
                self._events,
                ack_timeout=self._settings.whatsapp_ack_timeout / 1000,
                signed_prekey_age=self._settings.whatsapp_signed_prekey_age / 1000,
                counts=self.counts,
                versions=self._versions,
                hold=self._settings.session_storage_type == "cloud",
                carrying=self._carrying,
                show_online=self._show_online,
                low=self._floor.lately,
            )
        tasks = [
            asyncio.create_task(part.run()),
            asyncio.create_task(self._keepalive.run(socket)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionLost as lost:
            return socket.cause or lost.cause
        finally:
            self._linked = self._enrolment = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await part.close()
        return socket.cause or Cause(Kind.NETWORK, "ended")

    async def _credentials(self) -> Credentials:
        own = self._session.credentials.read()
        if own is None:
            own = new_credentials()
            async with self._session.transaction():
                self._session.credentials.save(own)
        async with self._session.transaction():
            self._session.prune(time.time())
        return own

    async def _note_ban(self, cause: Cause) -> None:
        own = self._session.credentials.read()
        if own is not None and own.banned_until != cause.until:
            with suppress(*SessionRefusal):
                async with self._session.transaction():
                    self._session.credentials.save(replace(own, banned_until=cause.until))

    async def _forget(self) -> None:
        with suppress(*SessionRefusal):
            async with self._session.transaction():
                self._session.forget_credentials()
