"""Implements the WhatsApp engine interface by the child program `teimoso-whatsmeow`, one login at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.disconnects.causes import PROXY_CHANGED, Cause, Kind, ban_left
from actors.connection.engine import NotConnected, PairingCode, SendError, Traffic
from actors.connection.pairing_window import PairingWindow
from actors.connection.protocol.media.transfers import FileTransfers
from actors.connection.protocol.online_visibility import Visibility
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of
from actors.connection.session.inbox_methods import SessionInbox
from actors.connection.session.pruner import SessionPruner
from actors.connection.whatsapp_version import Versions
from actors.connection.whatsmeow import causes
from actors.connection.whatsmeow.events import Events
from actors.connection.whatsmeow.login_channel import Link
from actors.connection.whatsmeow.paired_account import PairedAccount
from actors.connection.whatsmeow.pairing_requests import assert_passkey, confirm_passkey, link_code
from actors.connection.whatsmeow.program.pipe import PipeLost, PipeTimeout, ProgramError
from actors.connection.whatsmeow.program.supervisor import Supervisor
from actors.connection.whatsmeow.refused_stanzas import RefusedStanzas
from actors.connection.whatsmeow.request_pause import RequestPause
from actors.connection.whatsmeow.stored_account import StoredAccount
from actors.connection.whatsmeow.to_nodes import delivery_of
from actors.metrics.mistakes import log_mistake
from actors.runtime.deletion_time import deletion_time
from actors.runtime.limits.disk_floor import DiskFloor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.abilities.administration import Administration
    from actors.connection.engine import EngineEvents, SendRequest
    from actors.connection.proxy.address import ProxyAddress
    from actors.connection.session.session import Session
    from actors.connection.trace.recorder import Recorder
    from actors.connection.whatsmeow.program.frames import Frame
    from actors.connection.whatsmeow.program.process import Program
    from actors.media.store import MediaStore
    from actors.messages.content import ReadMark, SettingChange

log = structlog.get_logger()

LOGOUT_TIMEOUT: Final = 10.0


class WhatsmeowEngine(SessionInbox):
    """Receives without loss (G5), sends under the caller's ids (G3), one owner at a time (G6).

    `run` serves one login after the other, whenever its owner calls it. The program lives as long as its
    logins end by themselves; any other end of one ends the program, and the next login starts another.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        directory: Path,
        events: EngineEvents,
        *,
        epoch: int,
        recorder: Recorder,
        media: MediaStore | None = None,
        floor: DiskFloor | None = None,
    ) -> None:
        """Files are in `media`; without it none is sent or fetched. Below the `floor` nothing that arrives is stored."""
        self._settings, self.recorder = settings, recorder
        self._session = session
        self._events = events
        self._versions = Versions(settings)
        self._visibility = Visibility()
        self._refused, self._pause = RefusedStanzas(), RequestPause()
        self._offering = PairingWindow()
        self.counts: Counter[str] = Counter()
        self._programs = Supervisor(
            settings,
            directory,
            epoch,
            recorder,
            on_request=self._on_request,
            on_event=self._on_event,
        )
        self._link: Link | None = None
        self._paired: PairedAccount | None = None
        self._heard: Events | None = None
        self._opening: asyncio.Task[Any] | None = None
        self._closing: Cause | None = None
        self._floor = floor or DiskFloor.of(settings, session.path.parent)
        self._idle = asyncio.Event()
        self._idle.set()
        self._identity = StoredAccount(session)
        self._pruner = SessionPruner(session, partial(deletion_time, settings.data), self._end_by)
        self._carrying = (
            None
            if media is None
            else FileTransfers(
                settings,
                session,
                media,
                counts=self.counts,
                events=events,
                on_refusal=lambda refusal: self._end(cause_of(refusal)),
            )
        )

    @property
    def account(self) -> str | None:
        """The canonical address of the paired account."""
        return self._identity.account

    async def run(self) -> Cause:
        """Serve one login until it ends; see the port."""
        if self._closing is not None:
            return self._closing
        self._idle.clear()
        self._pruner.start()
        if self._carrying is not None:
            self._carrying.start()
        try:
            cause = await self._run()
            if cause.kind is Kind.LOGGED_OUT:
                await self._identity.forget()
            if cause.kind is Kind.TEMPORARILY_BANNED:
                await self._identity.note_ban(cause.until)
        finally:
            self._idle.set()
        self.recorder.ended(cause)
        log.info("login ended", action="socket.ended", cause=str(cause), counts=dict(self.counts))
        return cause

    async def send(self, message: SendRequest) -> float:
        """Send one message; see the port."""
        return await self._open_account.send(message)

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """Tell that messages were read; see the port."""
        await self._open_account.mark_read(chat, mark, at)

    async def request_resend(self, chat: str, sender: str, message_id: str) -> None:
        """Ask the account's phone for a message; see the port."""
        await self._open_account.request_resend(chat, sender, message_id)

    @property
    def traffic(self) -> Traffic | None:
        """The newest traffic that the program reported; see the port."""
        if self._paired is None or not self._paired.logged_in or self._heard is None:
            return None
        return Traffic(time.monotonic() - self._heard.last, listening=True)

    async def probe(self, within: float) -> bool:
        """Whether WhatsApp answers a ping; see the port."""
        if not self._open_account.logged_in:
            raise NotConnected
        try:
            answer = await self._programs.pipe.request("probe", within=within)
        except PipeTimeout:
            return False
        except (PipeLost, ProgramError):
            raise NotConnected from None
        return bool(answer.header.get("answered"))

    async def pairing_code(self, phone: str) -> PairingCode:
        """A code to type on that phone; see the port."""
        if self.account is not None:
            raise SendError("already_linked")
        seconds = await self._offering.left(self._renew)
        shown = await link_code(self._programs.pipe, phone, seconds)
        await self._events.on_code(shown)
        return shown

    async def passkey_assertion(self, assertion: str) -> None:
        await assert_passkey(self._programs.pipe, assertion)

    async def confirm_passkey(self) -> None:
        await confirm_passkey(self._programs.pipe)

    async def reject_call(self, call: str) -> None:
        await self._open_account.reject_call(call)

    async def sync_app_state(self) -> None:
        await self._open_account.sync_app_state()

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:
        await self._open_account.change_chat(chat, change, at)

    def extend(self, seconds: float) -> None:
        """Let the program send for so long, also while this process hangs; see the port."""
        self._programs.extend(seconds)

    def _renew(self) -> None:
        if self._link is not None:
            self._link.fail(Cause(Kind.RESTART_REQUIRED, "code_asked"))

    async def lookup(self, number: str) -> str | None:
        return await self._open_account.lookup(number)

    async def presence(self, *, available: bool) -> None:
        await self._open_account.presence(available=available)

    async def configure(self, *, show_online: bool) -> None:
        """Take over the settings of the connection; see the port."""
        self._visibility.configure(always=show_online)
        if self._paired is not None:
            await self._paired.show()

    async def use_proxy(self, proxy: ProxyAddress | None) -> None:
        """Go through this proxy from now on; see the port."""
        if proxy != self._programs.proxy:
            self._programs.proxy = self._versions.proxy = proxy
            if self._carrying is not None:
                await self._carrying.web.use(proxy)
            self._interrupt(PROXY_CHANGED)

    async def typing(self, chat: str, state: str) -> None:
        await self._open_account.typing(chat, state)

    async def subscribe(self, chat: str) -> None:
        await self._open_account.subscribe(chat)

    @property
    def administration(self) -> Administration:
        return self._open_account.administration

    @property
    def _open_account(self) -> PairedAccount:
        if self._paired is None:
            raise NotConnected
        return self._paired

    async def _settled(self, keys: Sequence[int]) -> None:
        if self._paired is not None:
            await self._paired.settled(keys)

    def _end_by(self, refusal: Exception) -> None:
        self._end(cause_of(refusal))

    async def copy_keys(self, target: Path) -> str | None:
        """Copy the program's database; see the port."""
        return await self._programs.copy_keys(target)

    async def logout(self) -> None:
        """Unlink the device; `run` ends as logged out. Keys that cannot be read are set aside."""
        if self._heard is not None:
            self._heard.unlinking = True
        try:
            program, _ = await self._programs.start()
            with suppress(PipeLost, PipeTimeout):
                await program.pipe.request("logout", within=LOGOUT_TIMEOUT)
        except ProgramError as error:
            if error.code == "store_failed":
                await self._programs.set_keys_aside()
        await self._identity.forget()
        if self._link is not None:
            self._link.fail(Cause(Kind.LOGGED_OUT, "asked"))

    async def close(self) -> None:
        """End the login and the program, wait until `run` returned, close the session file."""
        self._end(Cause(Kind.CLOSED))
        await self._idle.wait()
        await self._programs.stop()
        if self._carrying is not None:
            await self._carrying.close()
        await self._pruner.close()
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
        if self._link is not None:
            self._link.fail(cause)

    # one login

    async def _run(self) -> Cause:
        try:
            until = self._identity.banned_until
            if ban_left(until, time.time()) > 0:
                return Cause(Kind.TEMPORARILY_BANNED, "not_over", until)
            before = self.account
            self._opening = asyncio.ensure_future(self._open())
            program, version = await self._opening
            self._opening = None
            if self._programs.goes_astray:
                return PROXY_CHANGED
            if before is not None and self.account is None:
                # A crash came between setting the keys aside and noting it here, or the keys are lost.
                return Cause(Kind.LOGGED_OUT, "keys_gone")
            return await self._after(await self._serve(program, version))
        except SessionRefusal as refusal:
            return cause_of(refusal)
        except ProgramError as refusal:
            log.warning("program refused", action="program.refused", code=refusal.code)
            await self._programs.stop()
            return causes.from_word(refusal.code)
        except (PipeLost, PipeTimeout, OSError):
            await self._programs.stop()
            return Cause(Kind.NETWORK, "program_lost")
        except asyncio.CancelledError:
            # `_interrupt` cancels the opening, the owner cancels this task: only the latter is passed on.
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            return self._closing or PROXY_CHANGED
        except Exception as error:  # noqa: BLE001 - reported as the cause of the end
            log_mistake("engine failed", "engine.failed", error)
            await self._programs.stop()
            return Cause(Kind.NETWORK, "engine_failed")
        finally:
            self._opening = None

    async def _open(self) -> tuple[Program, list[int]]:
        program, report = await self._programs.start()
        if report is not None:
            self._versions.own = str(report["version"])
            await self._identity.learn(report)
        version = await self._versions.announced()
        return program, [int(part) for part in version.split(".")]

    async def _serve(self, program: Program, version: list[int]) -> Cause:
        if self._closing is not None:
            return self._closing
        link = self._link = Link(program.pipe, self._pause)
        people = self._identity.people
        if people is not None:
            self._paired = PairedAccount(
                self._session,
                people,
                link,
                self._events,
                self._visibility,
                refused=self._refused,
                ack_timeout=self._settings.whatsapp_ack_timeout / 1000,
                counts=self.counts,
                hold=self._settings.session_storage_type == "cloud",
                carrying=self._carrying,
                low=self._floor.lately,
            )
        heard = self._heard = Events(
            self._session,
            self._identity,
            link,
            self._paired,
            self._events,
            offering=self._offering,
            versions=self._versions,
            recorder=self.recorder,
        )
        try:
            await program.pipe.request("login", version=version)
            await asyncio.wait((link.ended, program.over), return_when=asyncio.FIRST_COMPLETED)
            link.fail(Cause(Kind.NETWORK, "program_died"))
            return link.ended.result()
        finally:
            self._offering.end()
            self._link = self._heard = None
            paired, self._paired = self._paired, None
            if paired is not None:
                await paired.close()
            await heard.close()
            if not heard.over:  # it is this side that ends it
                await self._programs.stop()

    async def _after(self, cause: Cause) -> Cause:
        """The cause; where WhatsApp refused a version, and there is another, to log in with that."""
        if cause.kind is not Kind.OUTDATED or self._closing is not None:
            return cause
        self._opening = asyncio.ensure_future(self._versions.another())
        return Cause(Kind.RESTART_REQUIRED, "another_version") if await self._opening else cause

    # the program's words

    async def _on_request(self, number: int, do: str, frame: Frame) -> None:
        running, paired = self._programs.running, self._paired
        if running is None:
            return
        pipe = running.pipe
        if paired is None:
            pipe.refuse(number, "no_login")
        elif do == "knows":
            stored = paired.is_stored(delivery_of(number, "message", frame))
            pipe.answer(number, {"known": stored})
        elif do == "sent":
            plaintext = paired.sent(frame.header)
            self.counts["resend.lost" if plaintext is None else "resend.resent"] += 1
            pipe.answer(number, {"found": plaintext is not None}, body=plaintext or b"")
        else:
            if self._heard is not None and do != "recipients":
                self._heard.last = time.monotonic()
            await paired.take(delivery_of(number, do, frame))

    async def _on_event(self, event: str, frame: Frame) -> None:
        if self._heard is not None:
            self._heard.take(event, frame)
