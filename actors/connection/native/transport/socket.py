"""Opens one encrypted socket to WhatsApp, sends and receives stanzas in order, and matches answers to requests.

Each end (the network, a stanza that says why, a frame that does not decrypt) is a `Cause`:
`ConnectionLost` carries it to everyone who waits. Nothing that arrives raises anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from typing import TYPE_CHECKING, Final, Self

import structlog
from websockets.exceptions import ConnectionClosed, WebSocketException

from actors.connection.disconnects import causes
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import Traffic
from actors.connection.native.transport.certificates import HandshakeRefused
from actors.connection.native.transport.frames import (
    MAX_FRAME,
    FrameBuffer,
    FrameTooLarge,
    frame,
    routing_header,
)
from actors.connection.native.transport.noise import (
    PROLOGUE,
    BadFrame,
    Transport,
)
from actors.connection.protocol.request_errors import (
    ConnectionLost,
    HandshakeLost,
    RequestFailed,
    RequestTimeout,
)
from actors.connection.protocol.wire_format.codec import MalformedNode, decode, encode
from actors.connection.protocol.wire_format.nodes import Node, iq
from actors.connection.proxy import tunnel
from actors.connection.whatsapp_version import BROWSER
from actors.runtime.hidden_imports import without

with without("python_socks"):  # for proxies of the library; `tunnel` loads it where there is one
    from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.transport.noise import Login
    from actors.connection.proxy.address import ProxyAddress
    from actors.connection.trace.recorder import Recorder

log = structlog.get_logger()

LOGIN_TIMEOUT: Final = 20.0
"""Seconds for TCP, TLS, WebSocket and Noise together."""

REQUEST_TIMEOUT: Final = 30.0
"""Seconds that a request waits for its answer."""

ORIGIN: Final = "https://web.whatsapp.com"


class Socket:
    """An open, encrypted connection; `open` makes it, `close` or a failure ends it for good.

    Stanzas leave in the order in which `send` is called, also where a caller is cancelled: the
    cipher counts frames, so one that was encrypted and not written would end the connection.
    """

    def __init__(self, websocket: ClientConnection, recorder: Recorder) -> None:
        self._websocket, self._recorder = websocket, recorder
        self._frames = FrameBuffer()
        self._ready: list[bytes] = []
        self._transport: Transport | None = None
        self._outgoing: asyncio.Queue[tuple[list[bytes], asyncio.Future[None]]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self._acks: dict[str, list[asyncio.Future[Node]]] = {}
        self._prefix = secrets.token_hex(4)
        self._count = itertools.count(1)
        self._cause: Cause | None = None
        self._writer: asyncio.Task[None] | None = None
        self._waiting_since: float | None = None
        self._read_at = time.monotonic()
        self.server_key = b""
        """The Noise key that the server proved in the handshake."""

    @classmethod
    async def open(
        cls,
        url: str,
        login: Login,
        recorder: Recorder,
        proxy: ProxyAddress | None = None,
    ) -> Self:
        """Connect and shake hands; `recorder` is handed what passes from then on.

        Raises `ConnectionLost`, whatever goes wrong; `HandshakeLost` once there was a server.
        """
        websocket: ClientConnection | None = None
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT):
                websocket = await connect(
                    url,
                    **await tunnel.way(url, proxy),
                    origin=ORIGIN,  # type: ignore[arg-type]
                    compression=None,
                    user_agent_header=BROWSER,
                    max_size=MAX_FRAME + 3,
                    open_timeout=None,
                    ping_interval=None,  # WhatsApp's own ping is the keepalive
                    close_timeout=1,
                )
                socket = cls(websocket, recorder)
                await socket._shake_hands(login)
        except HandshakeRefused as refusal:
            cause = Cause(Kind.NETWORK, refusal.code)
        except ConnectionLost as lost:
            cause = lost.cause
        except tunnel.ProxyFailed as failed:
            cause = failed.cause
        except (OSError, ValueError, WebSocketException) as error:
            cause = Cause(Kind.NETWORK, f"connect_{type(error).__name__.lower()}")
        except asyncio.CancelledError:
            if websocket is not None:
                websocket.transport.abort()
            raise
        else:
            socket._writer = asyncio.create_task(socket._write())
            return socket
        if websocket is None:
            raise ConnectionLost(cause, written=False)
        websocket.transport.abort()
        raise HandshakeLost(cause, written=False)

    @property
    def cause(self) -> Cause | None:
        """The cause of the socket's end; None while it is open."""
        return self._cause

    @property
    def silence(self) -> float:
        """Seconds for which the network was listened to in vain; 0 while what came is handled."""
        if self._waiting_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._waiting_since

    @property
    def traffic(self) -> Traffic:
        """The age of the last stanza that was read, and whether the next one would be."""
        return Traffic(time.monotonic() - self._read_at, self._waiting_since is not None)

    async def send(self, *nodes: Node) -> None:
        """Return when the stanzas were handed to the network, in order.

        Raises `ConnectionLost`; its `written` is False only when nothing of them can have left.
        """
        plaintexts = [encode(node) for node in nodes]
        if self._cause is not None:
            raise ConnectionLost(self._cause, written=False)
        if self._recorder.on:
            self._recorder.sent(nodes, plaintexts)
        written = asyncio.get_running_loop().create_future()
        self._outgoing.put_nowait((plaintexts, written))
        await written

    async def request(self, node: Node, timeout: float = REQUEST_TIMEOUT) -> Node:  # noqa: ASYNC109
        """Send an ``<iq>`` and return WhatsApp's answer. `timeout` is in seconds.

        Raises `RequestFailed`, `RequestTimeout` or `ConnectionLost`.
        """
        number = f"{self._prefix}.{next(self._count)}"
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(timeout):
                await self.send(Node(node.tag, {"id": number, **node.attrs}, node.content))
                reply: Node = await answer
        except TimeoutError:
            raise RequestTimeout from None
        finally:
            del self._answers[number]
            _abandon(answer)
        if reply.attrs.get("type") == "error":
            error = reply.child("error")
            raise RequestFailed((error.number("code") if error is not None else None) or 0)
        return reply

    async def ping(self, within: float) -> bool:
        """Whether WhatsApp answered within so many seconds; a refusal is an answer.

        Raises `ConnectionLost`.
        """
        try:
            await self.request(iq("get", "w:p", (Node("ping"),)), within)
        except RequestFailed:
            return True
        except RequestTimeout:
            return False
        return True

    @contextlib.contextmanager
    def acknowledgement(self, message_id: str) -> Iterator[asyncio.Future[Node]]:
        """The server's ``<ack>`` of a message, from before it is sent until the block ends."""
        future = asyncio.get_running_loop().create_future()
        self._acks.setdefault(message_id, []).append(future)
        try:
            yield future
        finally:
            _abandon(future)
            self._acks[message_id].remove(future)
            if not self._acks[message_id]:
                del self._acks[message_id]

    async def receive(self) -> Node:
        """The next stanza that is not an answer. Raises `ConnectionLost` at the end."""
        while True:
            node = await self._next()
            if node.tag == "stream:error":
                children = {child.tag: child.attrs for child in node.children()}
                self.fail(causes.from_stream_error(node.attrs, children))
            elif node.tag == "failure":
                self.fail(causes.from_failure(node.attrs, time.time()))
            elif node.tag == "xmlstreamend":
                self.fail(Cause(Kind.NETWORK, "stream_end"))
            elif not self._answered(node):
                return node

    def fail(self, cause: Cause) -> None:
        """End the socket; the first cause stays. Everyone who waits gets `ConnectionLost`."""
        if self._cause is None:
            self._end(cause)
            self._websocket.transport.abort()

    async def close(self, cause: Cause) -> None:
        """As `fail`, but say goodbye where the network allows it within a second."""
        if self._cause is None:
            self._end(cause)
            with contextlib.suppress(OSError, WebSocketException):
                await self._websocket.close()
        self._websocket.transport.abort()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def _end(self, cause: Cause) -> None:
        self._cause = cause
        for future in (*self._answers.values(), *itertools.chain(*self._acks.values())):
            if not future.done():
                future.set_exception(ConnectionLost(cause, written=True))
        while not self._outgoing.empty():
            _, written = self._outgoing.get_nowait()
            if not written.done():
                written.set_exception(ConnectionLost(cause, written=False))

    async def _shake_hands(self, login: Login) -> None:
        handshake = login.handshake()
        hello = frame(handshake.hello(login.payload))
        await self._websocket.send(routing_header(login.routing) + PROLOGUE + hello)
        last, transport = handshake.finish(await self._next_frame(), login.payload, time.time())
        if last is not None:
            await self._websocket.send(frame(last))
        self._transport = transport
        self.server_key = handshake.server_key

    async def _write(self) -> None:
        assert self._transport is not None
        while True:
            plaintexts, written = await self._outgoing.get()
            try:
                for plaintext in plaintexts:
                    await self._websocket.send(frame(self._transport.encrypt(plaintext)))
            except BaseException as error:
                # Any error: a writer that is gone while the socket stays would hold every
                # later `send` for ever.
                self.fail(_write_cause(error))
                if not written.done():
                    written.set_exception(self._lost())
                if isinstance(error, Exception):
                    return
                raise
            if not written.done():
                written.set_result(None)

    async def _next(self) -> Node:
        assert self._transport is not None
        data = await self._next_frame()
        try:
            node = decode(self._transport.decrypt(data))
        except BadFrame:
            # A lost or corrupted frame: nothing after it can be read, so a new connection is the
            # only way on. Stanzas without an answer come again.
            self.fail(Cause(Kind.NETWORK, "bad_frame"))
        except MalformedNode:
            self.fail(Cause(Kind.NETWORK, "malformed_node"))
        else:
            self._read_at = time.monotonic()
            if self._recorder.on:
                self._recorder.received(node, len(data))
            return node
        raise self._lost()

    async def _next_frame(self) -> bytes:
        while not self._ready:
            if self._cause is not None:
                raise self._lost()
            self._waiting_since = asyncio.get_running_loop().time()
            try:
                message = await self._websocket.recv()
                if isinstance(message, str):
                    self.fail(Cause(Kind.NETWORK, "text_message"))
                    continue
                self._ready = self._frames.feed(message)[::-1]
            except ConnectionClosed as closed:
                self.fail(causes.from_close(_code(closed)))
            except FrameTooLarge:
                self.fail(Cause(Kind.NETWORK, "frame_too_large"))
            finally:
                self._waiting_since = None
        return self._ready.pop()

    def _answered(self, node: Node) -> bool:
        """Whether the stanza is an answer, wanted or too late."""
        number = node.attrs.get("id", "")
        if node.tag == "iq" and node.attrs.get("type") in ("result", "error"):
            waiting = [self._answers[number]] if number in self._answers else []
        elif node.tag == "ack":
            waiting = self._acks.get(number, []) if node.attrs.get("class") == "message" else []
        else:
            return False
        for future in waiting:
            if not future.done():
                future.set_result(node)
        return True

    def _lost(self) -> ConnectionLost:
        assert self._cause is not None
        return ConnectionLost(self._cause, written=True)


def _abandon(future: asyncio.Future[Node]) -> None:
    if not future.cancel() and not future.cancelled():
        future.exception()  # seen, so that asyncio does not log one that nobody waited for


def _code(closed: ConnectionClosed) -> int | None:
    return closed.rcvd.code if closed.rcvd is not None else None


def _write_cause(error: BaseException) -> Cause:
    if isinstance(error, ConnectionClosed):
        return causes.from_close(_code(error))
    if isinstance(error, asyncio.CancelledError):
        return causes.from_close(None)
    log.error("write failed", action="socket.write_failed", error=type(error).__name__)
    return Cause(Kind.NETWORK, "write_failed")
