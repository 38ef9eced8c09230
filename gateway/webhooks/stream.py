"""Sends server-sent events to readers: the event log, in order, at `GET /api/events`, and what page streams bring."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import Response

from actors.redis.client import RedisAway
from actors.state.documents import StoreAway
from gateway.concurrency import leave
from gateway.connection_access import resolve
from gateway.http.api_keys import KEYS_FRESH_SECONDS
from gateway.http.endpoint import ApiRequest, Gives, Operation
from gateway.http.problems import Problem
from gateway.http.server import ABORT, ENDLESS
from gateway.schemas import event_presenters
from gateway.schemas.event_presenters import PairingText, UnreadableEvent
from gateway.schemas.request_models import ReadEvents
from gateway.webhooks.requests import event_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager

    from starlette.types import Receive, Scope, Send

    from actors.state.events.event import Event
    from actors.state.events.outbox import NumberedEvent
    from gateway.backends import Backends
    from gateway.http.api_keys import ApiKey
    from gateway.webhooks.event_tail import EventTail
    from gateway.webhooks.reader_limits import ReaderLimits

HEARTBEAT = 15.0
"""Seconds of silence after which a comment tells that the stream lives, and how far it is: also
where much happens of which the reader wants nothing."""

READER_TIMEOUT = 10.0
"""Seconds that a reader may take for what it was sent; then it is cut, and nothing waits for it."""

AGAIN_MS = 1000
"""Milliseconds after which a reader that was cut comes again."""

PORTION_BYTES: Final = 64 * 1024
"""Bytes of texts that a reader makes in a turn of its tenant, and less than one event more."""

FEW_CONNECTIONS: Final = 8
"""Connections that documents of the log are searched for before their events are read."""

STREAM_TYPE = "text/event-stream"
_NUMBER = re.compile("[0-9]{1,18}", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a reader wants, and may read."""

    key: ApiKey
    connection: str | None
    events: frozenset[str] | None

    @property
    def about(self) -> frozenset[str] | None:
        """The connections that an event has to be of; None where it may be of any or none, or where they are many."""
        named = self.key.connections if self.connection is None else frozenset({self.connection})
        return None if named is None or len(named) > FEW_CONNECTIONS else named

    def takes(self, event: Event) -> bool:
        """Whether the reader gets the event: by type, by connection, and by the connections of the key."""
        if self.events is not None and event.type not in self.events:
            return False
        if self.connection is not None and event.connection != self.connection:
            return False
        if self.key.connections is None:
            return True
        return event.connection is not None and self.key.reaches(event.connection)


class Stream(Response, ABC):
    """Sends `texts` to one reader until they end, the reader leaves or the process is asked to end.

    A reader that does not take what it is sent within `READER_TIMEOUT` is cut off.
    """

    media_type = STREAM_TYPE

    def __init__(self, backends: Backends) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._tail: EventTail = backends.tail
        self._streams: ReaderLimits = backends.streams
        self._closing = backends.closing

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Hold the reader's places while it reads."""

    @abstractmethod
    def texts(self) -> AsyncIterator[bytes]:
        """The stream's text, piece by piece."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endless = scope.get("extensions", {}).get(ENDLESS)
        if endless is not None:
            endless()
        with self.reading():
            leave(scope)  # it counts as a reader from here on
            tasks = [
                asyncio.ensure_future(self._report(scope, send)),
                asyncio.ensure_future(_gone(receive)),
                asyncio.ensure_future(self._closing.wait()),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks[1:]:
                    task.cancel()
                if not tasks[0].done():
                    tasks[0].cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await tasks[0]
            if self._closing.is_set() and tasks[0].cancelled():
                await send({"type": "http.response.body", "body": b""})

    async def _report(self, scope: Scope, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": list(self.raw_headers),
            }
        )
        abort = scope.get("extensions", {}).get(ABORT)
        async for text in self.texts():
            message = {"type": "http.response.body", "body": text, "more_body": True}
            try:
                async with asyncio.timeout(READER_TIMEOUT):
                    await send(message)
            except TimeoutError:
                log.warning("slow reader disconnected", action="events")
                if abort is not None:
                    abort()
                return
            del text, message  # a page's may be large, and the next one is long in coming
            await asyncio.sleep(0)  # else one round of the loop makes all that the reader takes
        await send({"type": "http.response.body", "body": b""})


class EventStream(Stream):
    """Each event behind `cursor` once, in order; the id of each is the place behind it.

    Where some are gone already a ``gap`` says so. While the store is away the stream stays. A
    reader that was cut off goes on from the last id it has; one whose key is revoked gets nothing
    more within twice `KEYS_FRESH_SECONDS`.
    """

    def __init__(self, backends: Backends, wanted: EventFilter, cursor: int) -> None:
        super().__init__(backends)
        self._ring = backends.ring
        self._leases = backends.leases
        self._wanted = wanted
        self._cursor = cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Raises `LimitReached`."""
        with self._streams.reading(self._wanted.key), self._tail.followed():
            yield

    async def texts(self) -> AsyncIterator[bytes]:
        yield f"retry: {AGAIN_MS}\n: from here\nid: {self._cursor}\n\n".encode()
        spoke = time.monotonic()
        while True:
            try:
                if not await self._ring.holds(self._wanted.key):
                    return
                await self._streams.want()
                async with self._streams.turn(self._wanted.key):
                    look = await self._tail.after(self._cursor, self._wanted.about)
            except StoreAway:
                yield b": the store is away\n\n"
                spoke = time.monotonic()
                await asyncio.sleep(HEARTBEAT / 3)
                continue
            parts, events = deque(look.spans), deque(look.events)
            while parts:
                async with self._streams.turn(self._wanted.key):
                    text = await self._portion(parts, events)
                if text:
                    yield text
                    spoke = time.monotonic()
            left = spoke + HEARTBEAT - time.monotonic()
            if left <= 0:
                # An id without data is noted by readers and seen by nobody.
                how = "the store is away" if self._tail.away else "here"
                yield f": {how}\nid: {self._cursor}\n\n".encode()
                spoke = time.monotonic()
            elif not look.spans:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, KEYS_FRESH_SECONDS)):
                        await self._tail.news(self._cursor)

    async def _portion(self, parts: deque[tuple[int, int]], events: deque[NumberedEvent]) -> bytes:
        """The text of the next events, and of what is missing before them; the place moves behind them."""
        text = bytearray()
        while parts and len(text) < PORTION_BYTES:
            first, last = parts[0]
            if first > self._cursor + 1:
                text += _gap(self._cursor, first)
                self._cursor = first - 1
            while events and events[0].seq <= last and len(text) < PORTION_BYTES:
                event = events.popleft()
                self._cursor = event.seq
                if self._wanted.takes(event.event):
                    text += await self._text(event) or b""
            if not (events and events[0].seq <= last):
                self._cursor = last
                parts.popleft()
        return bytes(text)

    async def _text(self, event: NumberedEvent) -> bytes | None:
        """The event as the reader gets it; None for one that cannot be read."""
        may_link = self._wanted.key.may("admin")
        try:
            try:
                data = await event_body.body(event, self._leases, may_link=may_link)
            except RedisAway:  # the stream goes on without Redis
                data = event_presenters.written(event, PairingText(withheld="redis_away"))
        except UnreadableEvent:
            log.error("event not readable", action="events", type=event.event.type)  # noqa: TRY400
            return None
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.event.type.encode(), data)


def _gap(after: int, following: int) -> bytes:
    data = json.dumps({"after": after, "before": following})
    return f"id: {following - 1}\nevent: gap\ndata: {data}\n\n".encode()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read(call: ApiRequest[None, ReadEvents]) -> Response:
    """Problems: `invalid_cursor`, `unknown_connection`. Raises `LimitReached`."""
    backends, query = call.backends, call.query
    connection = None
    if query.connection is not None:
        found = await resolve(call, query.connection, fresh=True)
        connection = found.id
    headers = call.request.headers.getlist("last-event-id")
    given = headers[0] if headers else None
    if given is not None and not (_NUMBER.fullmatch(given) and len(headers) == 1):
        raise Problem(
            "invalid_cursor", "Last-Event-ID is the id of an event that was sent here, as in 4711."
        )
    await backends.streams.want()
    last = await backends.streams.seq()
    with backends.streams.reading(call.key):
        pass  # refused before the answer begins
    if call.request.method == "HEAD":
        return Response(media_type=STREAM_TYPE)
    # An id that is not given yet is one of another store: it begins at the end.
    cursor = last if given is None else min(int(given), last)
    events = None if query.events is None else frozenset(query.events.split(","))
    return EventStream(backends, EventFilter(call.key, connection, events), cursor)


OPERATIONS = (
    Operation(
        "GET",
        "/api/events",
        "readEvents",
        "Events as server-sent events, until the reader leaves",
        "events",
        read,
        {
            200: Gives(
                "A stream of events: `id` is the place behind it, `event` its type, `data` the"
                " event as a webhook gets it. `gap` says that some were gone already.",
                media_types=(STREAM_TYPE,),
            )
        },
        "read",
        waits=True,
        query=ReadEvents,
        headers={
            "Last-Event-ID": (
                "The last id that was read: the stream goes on behind it. Without one it begins now.",
                "^[0-9]{1,18}$",
            )
        },
        refuses=("invalid_cursor", "unknown_connection", "quota_reached", "store_away"),
    ),
)
