"""Sends requests and acknowledgements of received items to the whatsmeow program, as long as one login lasts."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, RequestsLimited, SendError
from actors.connection.limits.ack_errors import refused as refusal_of
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.whatsmeow.program.pipe import PipeLost, PipeTimeout, ProgramError
from actors.connection.whatsmeow.request_pause import RATE_LIMITED
from actors.connection.whatsmeow.to_nodes import ProgramDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.connection.whatsmeow.program.frames import Frame
    from actors.connection.whatsmeow.program.pipe import Pipe
    from actors.connection.whatsmeow.request_pause import RequestPause

log = structlog.get_logger()

NOT_CONNECTED = frozenset({"not_connected", "lease_over", "fenced", "disk_full", "store_failed"})
"""Codes of the program for what did not leave, since it could not."""

UNANSWERED = frozenset({"presence", "typing", "subscribe", "read", "history_learnt", "reject_call"})
"""Calls that ask WhatsApp nothing."""

_GONE = frozenset({"not_connected", "disconnected"})
"""Codes of the program for a question whose socket is gone: it tells why a moment later."""

WHY_WITHIN = 2.0
"""Seconds to wait for the cause after a request found the socket or the program gone."""

_NUMBERS = {"not_in_group": 403, "unknown_group": 404}
"""WhatsApp's numbers, where the program has a word instead."""


class AnsweredByAnother(SendError):
    """WhatsApp answers for the recipient's number by another one: its `phone` and `lid` ("" where unknown).

    Nothing left.
    """

    def __init__(self, phone: str, lid: str) -> None:
        super().__init__("other_number")
        self.phone, self.lid = phone, lid


class Link:
    """Ends with the login, or earlier by `fail`: then nothing more is answered or asked over it."""

    def __init__(self, pipe: Pipe, pause: RequestPause) -> None:
        """Nothing is asked while there is a `pause`."""
        self._pipe, self._pause = pipe, pause
        self.ended: asyncio.Future[Cause] = asyncio.get_running_loop().create_future()

    @property
    def cause(self) -> Cause | None:
        """The cause of its end; None while it lasts."""
        return self.ended.result() if self.ended.done() else None

    def fail(self, cause: Cause) -> None:
        """End it with this cause; the first one stays."""
        if not self.ended.done():
            self.ended.set_result(cause)

    def limited(self) -> None:
        """WhatsApp refused a request of the account for being one too many."""
        if self._pause.refused():
            log.warning("requests paused", action="requests.paused", seconds=self._pause.left)

    @contextmanager
    def within_limit(self) -> Iterator[None]:
        """Raises `RequestsLimited` where nothing may be asked now, and where a send failed since one request was too many."""
        if self._pause.left:
            raise RequestsLimited(self._pause.left)
        try:
            yield
        except SendError as refused:
            if self._pause.left and not (refused.permanent or refused.uncertain):
                raise RequestsLimited(self._pause.left) from None
            raise

    async def send(self, *stanzas: Node) -> None:
        """Answer deliveries: their items are stored. Raises `ConnectionLost`."""
        if self.cause is not None:
            raise ConnectionLost(self.cause, written=False)
        for stanza in stanzas:
            assert isinstance(stanza, ProgramDelivery)
            self._pipe.answer(stanza.request, stanza.answer)

    async def call(self, do: str, *, body: bytes = b"", **values: Any) -> Frame:
        """Have the program ask WhatsApp.

        Raises `ConnectionLost`, with the program's own cause where it sends one in time,
        `RequestFailed` or `RequestTimeout`.
        """
        if self.cause is not None:
            raise ConnectionLost(self.cause, written=False)
        if do not in UNANSWERED and self._pause.left:
            raise RequestFailed(RATE_LIMITED)
        try:
            return await self._pipe.request(do, body=body, **values)
        except PipeLost as error:
            await asyncio.wait((self.ended,), timeout=WHY_WITHIN)
            raise ConnectionLost(self._cause_now, written=error.written) from None
        except PipeTimeout:
            raise RequestTimeout from None
        except ProgramError as error:
            if error.code in _GONE:
                await asyncio.wait((self.ended,), timeout=WHY_WITHIN)
            if error.code in NOT_CONNECTED | _GONE:
                raise ConnectionLost(self._cause_now, written=error.uncertain) from None
            if error.code == "timeout":
                raise RequestTimeout from None
            raise RequestFailed(error.number or _NUMBERS.get(error.code, 0)) from None

    @property
    def _cause_now(self) -> Cause:
        return self.cause or Cause(Kind.NETWORK, "program_lost")

    async def request(self, stanza: Node) -> Node:
        """Ask a question of GraphQL; see `protocol/limits/limit_queries.py`. Raises as `call`."""
        (query,) = stanza.children("query")
        variables = json.loads(query.data)["variables"]
        answer = await self.call("mex", query_id=query.attrs["query_id"], variables=variables)
        return Node("iq", {}, (Node("result", {}, b'{"data":%b}' % answer.body),))

    async def post(
        self, do: str, now: Callable[[], float], *, within: float, body: bytes = b"", **values: Any
    ) -> Frame:
        """Have the program send a message, or a change. Raises `SendError`, for messages `AnsweredByAnother`.

        `within`: seconds that WhatsApp has for its acknowledgement.
        """
        if self.ended.done():
            raise NotConnected
        try:
            return await self._pipe.request(
                do, body=body, within=within + 10.0, timeout_ms=int(within * 1000), **values
            )
        except PipeLost as error:
            raise (lost() if error.written else NotConnected()) from None
        except PipeTimeout:
            raise SendError("ack_timeout", uncertain=True) from None
        except ProgramError as error:
            raise _send_error(error, now()) from None


def lost() -> SendError:
    """The error of a send whose connection ended before its acknowledgement."""
    return SendError("connection_lost", uncertain=True)


def _send_error(error: ProgramError, now: float) -> SendError:
    if error.code == "refused":
        return refusal_of(error.number, now)
    if error.code == "timeout":
        return (
            SendError("ack_timeout", uncertain=True)
            if error.uncertain
            else SendError("whatsapp_timeout")
        )
    if error.code == "other_number":
        return AnsweredByAnother(error.phone, error.lid)
    if error.code in NOT_CONNECTED or error.code == "disconnected":
        return lost() if error.uncertain else NotConnected()
    return SendError(error.code, permanent=error.permanent, uncertain=error.uncertain)
