"""One client of whatsmeow: one login, in threads of Go's, told to asyncio in order."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from actors.connection.native.transport.client_payload import NAME
from actors.connection.native.transport.nodes import proto
from actors.connection.neonize.library import (
    EVENT_CALLBACK,
    LOG_CALLBACK,
    TEXT_CALLBACK,
    Proxy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.neonize.library import Library

WAITING: Final = 128
"""Events that are told and not dealt with, at most: then Go waits, as its sender does by and by."""

MOST_STUCK = 100
"""Pairings without a device after which the process is given up, half a day of QRs that nobody scans."""

QUIET, MOST_QUIET = 0.2, 3.0
"""Seconds for which a client has to say nothing before it is taken for silent; no longer is waited."""

_CLASSES: Final = {
    0: "Device",
    2: "PairStatus",
    3: "Connected",
    4: "KeepAliveTimeout",
    6: "LoggedOut",
    7: "StreamReplaced",
    8: "TemporaryBan",
    9: "ConnectFailure",
    10: "ClientOutdated",
    11: "StreamError",
    12: "Disconnected",
    17: "Message",
    18: "Receipt",
    44: "UndecryptableMessage",
}
_DEVICE, _CONNECTED = 0, 3

NOWHERE: Final = Proxy(b"http://127.0.0.1:0", False, False, True)
"""Through it whatsmeow finds no server when it reconnects by itself; files do not go through it."""


@dataclass(frozen=True, slots=True)
class Code:
    """A QR to show."""

    text: str


@dataclass(frozen=True, slots=True)
class Paired:
    """The outcome of a pairing, in whatsmeow's word."""

    word: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event of whatsmeow's, as one of the library's classes."""

    event: Any


@dataclass(frozen=True, slots=True)
class Over:
    """No socket was opened, or the client was stopped; `error` is empty then."""

    error: str


Heard = Code | Paired | Event | Over

_kept: list[Client] = []
_names: Final = count()


class Client:
    """Logs in once; what it hears is given to `hear`, on the loop and in order.

    whatsmeow would reconnect by itself: as soon as the one login of this client is done, it finds
    no server any more. Each call blocks a thread of its own until Go answers.
    """

    def __init__(
        self,
        library: Library,
        database: str,
        hear: Callable[[Client, Heard], None],
        *,
        paired: bool,
    ) -> None:
        self._library = library
        self._name = str(next(_names)).encode()
        self._database = database
        self._hear = hear
        self._one_login = paired
        self._loop = asyncio.get_running_loop()
        self._room = threading.BoundedSemaphore(WAITING)
        self._listening = self._over = False
        # Go calls these for as long as its threads live.
        self._callbacks = (
            TEXT_CALLBACK(lambda _, text: self._tell(Code(_string(text)))),
            TEXT_CALLBACK(lambda _, text: self._tell(Paired(_string(text)))),
            EVENT_CALLBACK(self._on_event),
            LOG_CALLBACK(lambda _, __: None),
        )
        _kept.append(self)

    def start(self) -> None:
        """Connect and log in, or pair."""
        threading.Thread(target=self._live, name="whatsmeow", daemon=True).start()

    def dealt_with(self) -> None:
        """One thing that was heard is dealt with: there is room for another."""
        self._room.release()

    async def text(self, function: str, *arguments: Any) -> str:
        """See `Library.text`."""
        return str(await self._call(self._library.text, function, *arguments))

    async def answer(self, function: str, *arguments: Any) -> bytes:
        """See `Library.answer`."""
        return bytes(await self._call(self._library.answer, function, *arguments))

    async def disconnect(self) -> None:
        """Close the socket; what is under way fails. Events that were told before still come."""
        if not self._over:
            await self._call(self._library.text, "SetProxyAddress", ctypes.byref(NOWHERE))
            await self._call(self._library.order, "Disconnect")

    async def stop(self) -> bool:
        """Let Go forget the client; False where it cannot.

        Only while no call begins: Go keeps its clients in a map that nothing guards. And only a
        client that listens: one whose pairing ended without a device waits for one for ever, in a
        thread of its own, and would fall over its being gone.
        """
        if self._listening and not self._over:
            await self._call(self._library.order, "Stop")
        return self._listening or self._over

    def _live(self) -> None:
        properties = proto.DeviceProps(
            os=NAME, platformType=proto.DeviceProps.PlatformType.CHROME, requireFullSync=False
        ).SerializeToString()
        subscribed = bytes(code for code in _CLASSES if code)
        error = self._library.text(
            *("Neonize", self._database.encode(), self._name, b"", 0, 0, b"ERROR"),
            *self._callbacks,
            *(subscribed, len(subscribed), properties, len(properties), b"", 0, None),
        )
        self._over = True
        self._tell(Over(error))

    def _on_event(self, _: int, data: int, size: int, code: int) -> None:
        kind = _CLASSES.get(code)
        if kind is None:
            return
        if code == _DEVICE:
            self._listening = True
        if code == (_DEVICE if self._one_login else _CONNECTED):
            self._library.text("SetProxyAddress", self._name, ctypes.byref(NOWHERE))
        serialized = ctypes.string_at(data, size) if size else b""
        self._tell(Event(getattr(self._library.events, kind).FromString(serialized)))

    def _tell(self, heard: Heard) -> None:
        self._room.acquire()
        with suppress(RuntimeError):  # the loop is closed, and nobody hears any more
            self._loop.call_soon_threadsafe(self._hear, self, heard)

    async def _call(self, call: Callable[..., Any], function: str, *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()

        def told(result: Any, error: Exception | None) -> None:
            if outcome.cancelled():
                return
            if error is None:
                outcome.set_result(result)
            else:
                outcome.set_exception(error)

        def work() -> None:
            result, failed = None, None
            try:
                result = call(function, self._name, *arguments)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                failed = error
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(told, result, failed)

        # Not an executor's: at its end Python waits for those, and Go may take a minute.
        threading.Thread(target=work, name=f"whatsmeow.{function}", daemon=True).start()
        return await outcome


class WornOut(Exception):  # noqa: N818 - reads as what it is
    """Too much of what Go does not give back is left in this process: another one goes on."""


class Retired:
    """Clients whose socket is closed: they are heard out before Go forgets them.

    Go closes nothing of their database: each leaves two open files and 0.3 MB behind. Those that
    are stuck keep a thread, too.
    """

    def __init__(self) -> None:
        self._clients: list[Client] = []
        self._stuck = 0

    def add(self, client: Client) -> None:
        self._clients.append(client)

    async def stop(self, silence: Callable[[], float]) -> None:
        """Stop them all, once they were silent for `QUIET` seconds; while no call begins."""
        end = time.monotonic() + MOST_QUIET
        # Silence is no event that could be waited for.
        while self._clients and silence() < QUIET and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(QUIET / 4)
        clients, self._clients = self._clients, []
        for client in clients:
            self._stuck += not await client.stop()

    def check(self) -> None:
        """Raise `WornOut` where too many are stuck."""
        if self._stuck > MOST_STUCK:
            raise WornOut


def _string(pointer: int) -> str:
    return ctypes.string_at(pointer).decode(errors="replace")
