"""Requests a pairing code as a client over one socket, and completes the pairing once the code is typed."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NO_CODE, NotConnected, PairingCode, SendError
from actors.connection.native.pairing import link_code
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actors.connection.engine import EngineEvents
    from actors.connection.native.pairing.qr_pairing import Keys
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.wire_format.nodes import Node

log = structlog.get_logger()

HELLO_TIMEOUT: Final = 8.0
"""Seconds that WhatsApp has to open a code."""

TOO_MANY: Final = 429
"""WhatsApp's number for who asks too often."""


class CodePairing:
    """At most one code is open, the newest; it goes with its socket, and nothing of it is kept.

    Once it was typed, `adv_secret` is what the proof of a pairing has to know in place of the QR's.
    """

    def __init__(self, socket: Socket, keys: Keys, events: EngineEvents) -> None:
        self._socket = socket
        self._keys = keys
        self._events = events
        self._opened: link_code.OpenCode | None = None
        self._lock = asyncio.Lock()
        self._finishing: asyncio.Task[None] | None = None
        self.adv_secret: bytes | None = None

    async def open(self, phone: str, seconds: float) -> PairingCode:
        """A new code for the phone of this address, void after so many seconds.

        Raises `NotConnected`, and `SendError` (`pairing_code_limited`, `pairing_code_refused`).
        """
        async with self._lock:
            until = time.time() + seconds
            private, public = new_key_pair()
            opened = link_code.OpenCode(link_code.new_code(), phone, private)
            wrapped = await asyncio.to_thread(link_code.wrap, opened.text, public)
            ref = await self._ref(link_code.hello(opened, wrapped, self._keys.noise_public))
            await self.close()
            self._opened = replace(opened, ref=ref)
            code = PairingCode(link_code.shown(opened.text), until)
            await self._events.on_code(code)
            return code

    async def handle(self, stanza: Node) -> None:
        """A notification about the code that is open: it was typed, or is void."""
        about, opened = stanza.child(link_code.STANZA), self._opened
        if about is None or opened is None or link_code.ref_of(stanza) != opened.ref:
            return
        if about.attrs.get("stage") == "refresh_code":
            await self._void()
        # One at a time: each costs processor time, and a repeat has the same answer.
        elif self._finishing is None or self._finishing.done():
            self._finishing = asyncio.create_task(self._guard(self._finish(opened, stanza)))

    async def close(self) -> None:
        """The code is of no use any more: nothing about it is answered, or waited for."""
        self._opened = None
        if self._finishing is not None:
            self._finishing.cancel()
            with suppress(asyncio.CancelledError):
                await self._finishing

    async def _ref(self, hello: Node) -> bytes:
        try:
            reply = await self._socket.request(hello, HELLO_TIMEOUT)
        except (ConnectionLost, RequestTimeout):
            raise NotConnected from None
        except RequestFailed as failed:
            log.warning("no code", action="link_code.refused", code=failed.code)
            raise SendError(
                "pairing_code_limited" if failed.code == TOO_MANY else "pairing_code_refused"
            ) from None
        ref = link_code.ref_of(reply)
        if not ref:
            raise SendError("pairing_code_refused")
        return ref

    async def _finish(self, opened: link_code.OpenCode, stanza: Node) -> None:
        try:
            finish = await asyncio.to_thread(link_code.finish, opened, self._keys, stanza)
            self.adv_secret = finish.adv_secret
            await self._socket.request(finish.request)
        except (link_code.UnusableCode, RequestFailed, RequestTimeout) as error:
            log.warning("code void", action="link_code.void", error=type(error).__name__)
            await self._void()

    async def _void(self) -> None:
        self._opened = None
        await self._events.on_code(NO_CODE)

    async def _guard(self, doing: Coroutine[object, object, None]) -> None:
        try:
            await doing
        except ConnectionLost:
            return  # reported by the reader of the socket
        except Exception as error:  # noqa: BLE001 - reported as the cause of the end
            log_mistake("code failed", "link_code.failed", error)
            self._socket.fail(Cause(Kind.NETWORK, "code_failed"))
