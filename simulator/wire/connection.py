"""Serves one client's WebSocket: performs the Noise handshake, then passes stanzas in both directions.

A retired connection (replaced, logged out, refused) accepts no more stanzas; earlier outgoing stanzas
leave first, then the socket closes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from websockets.exceptions import ConnectionClosed

from simulator.wire.frames import FrameError, FrameReader, framed
from simulator.wire.noise import Handshake, HandshakeError, Transport
from simulator.wire.protocol_library import ClientPayload, Node, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import ServerConnection

    from simulator.trace.recorder import SocketRecorder
    from simulator.wire.certificates import ServerIdentity

log = structlog.get_logger()

HANDSHAKE_SECONDS: Final = 20.0
FAREWELL_SECONDS: Final = 1.0
# Frames that are ready together share one WebSocket message, as WhatsApp's server does it.
_BATCH: Final = 64 * 1024


class ConnectionHandler(Protocol):
    """The receiver of a connection's events."""

    def entered(self, connection: Connection, payload: Any) -> None:
        """A client finished its handshake; `payload` is its ClientPayload. Closes the socket where it refuses the login."""

    def handle(self, connection: Connection, stanza: Any) -> None:
        """A client's stanza, in the order of arrival."""

    def written(self, connection: Connection, marks: list[Any]) -> None:
        """The stanzas with these marks were handed to the socket."""

    def left(self, connection: Connection) -> None:
        """The socket is at its end, perhaps without having `entered`; no further event of it comes."""


class Connection:
    """One socket. `device` is set after login, `registration` while it waits to be paired.

    `handler` receives the client's events; `after_commit` runs an action once the store's open
    transaction is committed; `trace` records what passes; `seen` returns a stanza as a client sees it.
    """

    def __init__(
        self,
        handler: ConnectionHandler,
        socket: ServerConnection,
        serial: int,
        *,
        identity: ServerIdentity,
        after_commit: Callable[[Callable[[], None]], None],
        trace: SocketRecorder,
        seen: Callable[[Any], Any] = lambda stanza: stanza,
    ) -> None:
        self.serial = serial
        self.trace = trace
        self.device: tuple[str, int] | None = None
        self.registration: Any = None
        self.client_static = b""
        self.handshake = ""
        self.active = False
        self.retired = False
        self._handler = handler
        self._identity = identity
        self._after_commit = after_commit
        self._seen = seen
        self._socket = socket
        self._frames = FrameReader(socket)
        self._transport: Transport | None = None
        self._outgoing: deque[tuple[bytes, Any, Any]] = deque()
        self._wake = asyncio.Event()
        self._moving = asyncio.Event()
        self._moving.set()
        self._spoil: str | None = None
        self._farewell = False

    async def serve(self) -> None:
        """Runs until the socket closes. Errors end this connection and no other."""
        writer: asyncio.Task[None] | None = None
        cause = "closed"
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                payload = await self._handshake()
            writer = asyncio.create_task(self._write())
            self._handler.entered(self, payload)
            await self._read()
        except ConnectionClosed:
            pass
        except (FrameError, HandshakeError, TimeoutError, ValueError) as error:
            cause = f"{type(error).__name__}: {error}"
        except Exception:
            log.exception("connection_failed", action="connection_failed", serial=self.serial)
            cause = "internal error"
        finally:
            self.retired = True
            self.trace.ended(cause.partition(":")[0])
            self._handler.left(self)
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            await self._socket.close()
            log.info("connection_ended", action="connection_ended", serial=self.serial, cause=cause)

    @property
    def user_agent(self) -> str:
        """The `User-Agent` of the client's request; empty without one."""
        request = self._socket.request
        return "" if request is None else request.headers.get("User-Agent", "")

    @property
    def moves(self) -> bool:
        """Whether stanzas pass: not while the socket is frozen, and not once it is retired."""
        return self._moving.is_set() and not self.retired

    def push(self, stanza: Any, encoded: bytes | None = None, *, mark: Any = None) -> None:
        """Sends now. Callers inside a transaction use `send`.

        `encoded` is the stanza's bytes where the caller has them already. `mark` is handed to
        `written` of the handler once they left; never for a stanza that is lost on the way.
        """
        if self.retired or self._transport is None:
            return
        seen = self._seen(stanza)
        if seen is not stanza:
            stanza, encoded = seen, None
        try:
            plaintext = encode(stanza) if encoded is None else encoded
        except (ValueError, TypeError):
            # It repeats words of the client that the library cannot encode. Stanzas to others
            # after the same commit must leave all the same.
            log.warning("stanza_unwritable", action="stanza_unwritable", serial=self.serial)
            return
        frame = self._transport.encrypt(plaintext)
        if self._spoil == "lose":
            self._spoil = None
            return
        if self._spoil == "corrupt":
            self._spoil = None
            frame = bytes([frame[0] ^ 1]) + frame[1:]
        self._outgoing.append((framed(frame), mark, stanza))
        self._wake.set()

    def send(self, stanza: Any) -> None:
        """Sends once the open transaction is committed."""
        self._after_commit(lambda: self.push(stanza))

    def retire(self, *farewell: Any) -> None:
        """Sends the last stanza, accepts no more, and closes."""
        for stanza in farewell:
            self.push(stanza)
        self._farewell = bool(farewell)
        self.retired = True
        self._wake.set()
        if not self._moving.is_set():
            # A frozen socket would hold the last stanza, and the place of its device, for ever.
            self.abort()

    def abort(self) -> None:
        """Cuts the TCP connection without a close frame."""
        self.retired = True
        self._moving.set()
        self._socket.transport.abort()

    def freeze(self) -> None:
        """Keeps the socket open and moves nothing, in either direction, until `thaw`."""
        self._moving.clear()

    def thaw(self) -> None:
        """Lets frames go on after `freeze`."""
        self._moving.set()

    def spoil(self, kind: str) -> None:
        """Loses or corrupts the next frame to the client."""
        self._spoil = kind

    async def _handshake(self) -> Any:
        handshake = Handshake(self._identity, await self._frames.header())
        reply, payload = handshake.respond(await self._frames.frame())
        await self._socket.send(framed(reply))
        if payload is None:
            payload = handshake.finish(await self._frames.frame())
        self._transport = handshake.transport()
        self.client_static = handshake.client_static
        self.handshake = handshake.mode
        log.info("handshake_done", action="handshake_done", serial=self.serial, mode=handshake.mode)
        self.trace.login(payload)
        parsed = ClientPayload()
        try:
            parsed.ParseFromString(payload)
        except Exception as error:
            raise HandshakeError("malformed client payload") from error
        return parsed

    async def _read(self) -> None:
        assert self._transport is not None
        while True:
            frame = await self._frames.frame()
            await self._moving.wait()
            if self.retired:
                # The race of a replaced owner: stanzas in its socket at the login of the successor
                # must not count.
                continue
            stanza = self._decoded(self._transport.decrypt(frame))
            self.trace.received(stanza)
            self._handler.handle(self, stanza)

    @staticmethod
    def _decoded(data: bytes) -> Node:
        try:
            return decode(data)
        except Exception as error:
            raise FrameError("malformed stanza") from error

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._moving.wait()
            while self._outgoing:
                batch, marks = bytearray(), []
                while self._outgoing and len(batch) < _BATCH:
                    frame, mark, stanza = self._outgoing.popleft()
                    batch += frame
                    self.trace.sent(stanza)
                    if mark is not None:
                        marks.append(mark)
                await self._socket.send(bytes(batch))
                if marks:
                    self._handler.written(self, marks)
                await self._moving.wait()
            if self.retired:
                if self._farewell:
                    # A close frame on the heels of the stanza can overtake it inside the client
                    # (whatsmeow drops what it had not handled yet), so the client goes first.
                    await asyncio.sleep(FAREWELL_SECONDS)
                await self._socket.close()
                return
