"""Extends uvicorn's HTTP protocol: bounds request heads, and answers malformed requests with a problem response.

A request's head has at most `MAX_HEAD_BYTES` bytes and arrives within `HEAD_TIMEOUT`; and neither what is
broken after a whole request nor the end of what its client has to say takes that request's answer
away. An answer without an end is the exception: once its client has nothing more to say, it has left.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http import body, request_ids
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport
    from collections.abc import Callable

log = structlog.get_logger()

MAX_HEAD_BYTES = 65_536  # bytes of request line, headers and trailers
HEAD_TIMEOUT = 10.0  # seconds
ABORT = "teimoso.abort"
"""The extension of a request that ends its connection at once, whatever is still to be sent."""
ENDLESS = "teimoso.endless"
"""The extension of a request that says that its answer has no end: its client has left at the end of its side."""
LINGER = 2.0  # seconds in which a client that was refused may read why


class _TooLarge(Exception):
    pass


class _AnswerTransport:
    """The transport that answers are written to: the socket, whose end leaves time to read them."""

    def __init__(self, transport: Transport, end: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = end


class Protocol(HttpToolsProtocol):
    """One HTTP connection of a client, with bounds on the heads of its requests.

    On failure the connection ends after one problem: `malformed_request`, `head_too_large` or
    `head_timeout`. A request that was whole before the failure is answered first, and then instead:
    its client must not read that a message was refused which was accepted.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._in_head = False
        self._head = 0  # bytes of the present head so far
        self._unparsed = 0  # bytes that the parser swallowed without a word
        self._refused = False
        self._ended = False
        self._heard = False  # all that the client has to say
        self._endless = False
        self._refusal = "malformed_request"
        self._patience: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_TIMEOUT, self._too_slow)
        self._answering = _AnswerTransport(transport, self._let_read)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays: a client that said all of a request may read its answer.

        A client that closes its socket ends its side in the same way. The end of a finite
        answer distinguishes the two, so an answer without an end is one that nobody reads any more.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._endless:
            return False
        cycle.keep_alive = False
        self._heard = True
        return True

    def data_received(self, data: bytes) -> None:
        if self._refused or self._ended:
            return  # read and dropped, so that the client gets to read why
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES:
            self._refusal = "head_too_large"
            self.send_400_response("")
        elif self._in_head and self._patience is None and not self._refused:
            self._patience = self.loop.call_later(HEAD_TIMEOUT, self._too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        # A trailer is no header (RFC 9110, 6.5.1): the caller was settled before the body.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unparsed = 0
        self._stop_waiting()
        super().on_headers_complete()
        self.cycle.transport = cast("Transport", self._answering)

    def on_body(self, part: bytes) -> None:
        self._unparsed = 0
        super().on_body(part)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        extensions: dict[str, Any] = {
            body.WHOLE_BODY_EXTENSION: {},
            ABORT: self.transport.abort,
            ENDLESS: self._answer_without_end,
        }
        self.scope["extensions"] = extensions
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read, or let the whole request before it be answered."""
        del msg
        self._stop_waiting()
        cycle = self.cycle
        if self._refused:
            return
        self._refused = True
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
            cycle.disconnected = True  # its body will not come
            cycle.message_event.set()
        response = Problem(self._refusal).response()
        status = HTTPStatus(response.status_code)
        lines = [f"HTTP/1.1 {status:d} {status.phrase}\r\n".encode()]
        request_id = request_ids.made()
        log.info(
            "unreadable request refused",
            action="unreadable",
            code=self._refusal,
            request_id=request_id,
        )
        own = (request_ids.REQUEST_ID_HEADER, request_id.encode())
        named = (*self.server_state.default_headers, *response.raw_headers, own)
        lines += [name + b": " + value + b"\r\n" for name, value in named]
        lines += [b"connection: close\r\n\r\n", bytes(response.body)]
        self.transport.write(b"".join(lines))
        self._let_read()

    def on_response_complete(self) -> None:
        self._endless = False
        if not self._ended:
            super().on_response_complete()

    def _answer_without_end(self) -> None:
        self._endless = True
        if self._heard:
            self.transport.close()

    def _let_read(self) -> None:
        """End what is said, close later, and drop what the client says until then.

        To close with bytes unread, or to be sent more, would reset the connection and take along
        what the client has not read yet.
        """
        if self._ended or self.transport.is_closing():
            return
        self._ended = True
        if self._heard:
            self.transport.close()
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _count(self, size: int) -> None:
        self._unparsed = 0
        self._head += size
        if self._head > MAX_HEAD_BYTES:
            self._refusal = "head_too_large"
            raise _TooLarge

    def _stop_waiting(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.cancel()

    def _too_slow(self) -> None:
        self._patience = None
        if not self._in_head:
            self.transport.close()  # nothing came: nobody waits for an answer
            return
        self._refusal = "head_timeout"
        self.send_400_response("")
