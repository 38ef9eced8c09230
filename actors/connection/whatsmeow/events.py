"""Handles the whatsmeow program's events of one login (QR, login, presence, end) in order; reports them to the owner."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.port import NO_PASSKEY, Passkey
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NO_CODE, Presence, Qr
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.whatsmeow import causes
from actors.metrics.counters import measures
from actors.metrics.mistakes import OWN_MISTAKES, log_mistake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.connection.engine import EngineEvents
    from actors.connection.pairing_window import PairingWindow
    from actors.connection.session.session import Session
    from actors.connection.trace.recorder import Recorder
    from actors.connection.whatsapp_version import Versions
    from actors.connection.whatsmeow.login_channel import Link
    from actors.connection.whatsmeow.paired_account import PairedAccount
    from actors.connection.whatsmeow.program.frames import Frame
    from actors.connection.whatsmeow.stored_account import StoredAccount


QRS_LAST: Final = 160.0
"""Seconds for which QRs are shown on one socket: the first for a minute, five more for 20 each."""

_STATES: Final = frozenset({"available", "unavailable", "composing", "recording", "paused"})


class Events:
    """Handles events in a task of its own: the owner may ask the program meanwhile.

    `over`: the program ended the login by itself. `unlinking` is set where that unlinks the device.
    """

    def __init__(
        self,
        session: Session,
        identity: StoredAccount,
        link: Link,
        paired: PairedAccount | None,
        events: EngineEvents,
        *,
        offering: PairingWindow,
        versions: Versions,
        recorder: Recorder,
    ) -> None:
        self._session = session
        self._identity = identity
        self._link = link
        self._paired = paired
        self._events = events
        self._offering = offering
        self._versions = versions
        self._recorder = recorder
        self._qrs = 0
        self.over = self.unlinking = False
        self.last = time.monotonic()
        self._handlers: Mapping[str, Callable[[Any], Awaitable[None]]] = {
            "qr": self._show_qr,
            "code_void": self._void_code,
            "passkey": self._report_passkey,
            "paired": self._pair,
            "open": self._open,
            "presence": self._show_presence,
            "mapping": self._learn,
            "version_end": self._note_version_end,
            "mistake": self._count_mistake,
            "ended": self._end,
        }
        self._waiting: asyncio.Queue[tuple[str, Frame]] = asyncio.Queue()
        self._working = asyncio.ensure_future(self._work())

    def take(self, event: str, frame: Frame) -> None:
        """Take an event of the program."""
        if event == "stanza":
            self._record(frame)
            return
        if event == "login":
            self._recorder.login(frame.body)
            return
        if event == "rate_limited":  # before the answer to the request, which is the next frame
            self._link.limited()
            return
        if event == "traffic":
            self.last = time.monotonic()
            return
        if event == "ended":
            self.over = True
        self._waiting.put_nowait((event, frame))

    async def close(self) -> None:
        """Handle nothing more."""
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            event, frame = await self._waiting.get()
            try:
                await self._handle(event, frame)
            except SessionRefusal as refusal:
                self._link.fail(cause_of(refusal))
            except Exception as error:  # noqa: BLE001 - reported as the cause of the end
                log_mistake("event failed", f"{event}.failed", error)
                self._link.fail(Cause(Kind.NETWORK, "engine_failed"))

    async def _handle(self, event: str, frame: Frame) -> None:
        report = frame.header
        handle = self._handlers.get(event)
        if handle is not None:
            await handle(report)

    async def _void_code(self, _: Any) -> None:
        await self._events.on_code(NO_CODE)

    async def _report_passkey(self, report: Any) -> None:
        await self._events.on_passkey(_passkey(report))

    async def _pair(self, report: Any) -> None:
        await self._identity.learn(report)
        if (account := self._identity.account) is not None:
            await self._events.on_paired(account)

    async def _open(self, report: Any) -> None:
        if self._paired is not None:
            await self._identity.learn(report)
            await self._events.on_version_end(self._versions.ends_at)
            await self._paired.open()

    async def _note_version_end(self, report: Any) -> None:
        await self._versions.note_end(str(report.get("at", "")))
        await self._events.on_version_end(self._versions.ends_at)

    async def _count_mistake(self, _: Any) -> None:
        measures.count(OWN_MISTAKES, action="stanza.failed")  # the program has logged it

    async def _end(self, report: Any) -> None:
        cause = Cause(Kind.LOGGED_OUT, "asked")
        found = causes.from_ended(report, time.time())
        self._link.fail(cause if self.unlinking else found)

    async def _show_qr(self, report: Any) -> None:
        if not self._qrs:
            self._offering.begin(QRS_LAST)
        self._qrs += 1
        await self._events.on_qr(Qr(str(report["text"]), _expires_at(report)))

    async def _show_presence(self, report: Any) -> None:
        people = self._identity.people
        chat, who = (parse_optional(str(report.get(name, ""))) for name in ("chat", "who"))
        state = report.get("state")
        if people is None or chat is None or who is None or state not in _STATES:
            return
        if not who.is_person or people.is_account(who):
            return
        named = str(people.canonical(who))
        last = report.get("last_seen")
        await self._events.on_presence(
            Presence(
                str(chat) if chat.server == GROUP else named,
                named,
                state,
                last if isinstance(last, int) else None,
            )
        )

    async def _learn(self, report: Any) -> None:
        """Note pairs of a LID's user and a number's that the library learnt."""
        people, news, pairs = self._identity.people, False, report.get("pairs")
        if people is None or not isinstance(pairs, list):
            return
        async with self._session.transaction():
            for lid, number in pairs:
                one = Address(str(lid), "lid")
                news |= people.learn(one, Address(str(number), "s.whatsapp.net"))
        if news:
            await self._events.on_inbox()

    def _record(self, frame: Frame) -> None:
        if not self._recorder.on:
            return
        stanza, size = _stanza(json.loads(frame.body)), int(frame.header["size"])
        if frame.header.get("direction") == "out":
            self._recorder.sent(stanza, size)
        else:
            self._recorder.received(stanza, size)


def _stanza(shown: Mapping[str, Any]) -> Node:
    content = shown["Content"]
    if isinstance(content, str):
        try:
            content = base64.b64decode(content, validate=True)
        except ValueError:  # a text in place of bytes
            content = content.encode()
    elif content is not None:
        content = [*map(_stanza, content)]
    attrs = (shown["Attrs"] or {}).items()
    # The library writes a boolean as JSON has it.
    return Node(
        shown["Tag"],
        {
            name: str(json.dumps(value) if isinstance(value, bool) else value)
            for name, value in attrs
        },
        content,
    )


def _expires_at(report: Any) -> float:
    return time.time() + float(report.get("expires_ms", 0)) / 1000


def _passkey(report: Any) -> Passkey:
    if "options" in report:
        return Passkey.challenge(report["options"], _expires_at(report))
    if "code" in report:
        return Passkey.confirmation(str(report["code"]), _expires_at(report))
    return NO_PASSKEY
