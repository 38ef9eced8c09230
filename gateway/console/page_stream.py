"""Streams a console page to its script as server-sent events: the part between its bars, each time that it differs."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from starlette.requests import Request

from actors.runtime.connection_ids import name_of
from actors.runtime.limits.limits import LimitReached
from actors.state import own_mistakes
from actors.state.documents import StoreAway
from gateway.concurrency import leave
from gateway.console.console_request import PART_HEADER
from gateway.console.rendering import RenderedPage
from gateway.http import logs
from gateway.http.api_keys import KEYS_FRESH_SECONDS
from gateway.http.problems import Problem
from gateway.webhooks.stream import AGAIN_MS, EventFilter, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.responses import Response
    from starlette.types import Scope

    from gateway.backends import Backends
    from gateway.http.api_keys import ApiKey

PAGE_SECONDS: Final = 2.0
"""Seconds between two looks at a page, and at least between two that events cause."""

BILLED_PAGE_SECONDS: Final = 15.0
"""The same where each document that is read is paid for; events are too, so none are followed."""

EVENTLESS_SECONDS: Final = 10.0
"""Seconds between two looks at a page that follows events, while there is none: some of its figures have none."""

log = structlog.get_logger()


class FollowedPage(Protocol):
    """The page of a stream."""

    async def answer(self, request: Request) -> Response:
        """The answer of the page."""

    async def person(self, request: Request) -> object:
        """None where nobody is logged in; raises `Problem`."""

    def shown(self, scope: Scope, problem: Problem) -> Response:
        """The problem as a page."""


class PageStream(Stream):
    """One reader of one page: a `part` at once, and another one whenever it differs from what was sent last.

    Each look at the page is a request of its own to it, with the checks of session, key and rate; a comment says that a
    look found the same. An answer that only for now cannot be the page is `failed`, one that leads elsewhere (to the
    login, say) is `moved` and ends the stream. Without a `key`, or where it has no reader left, the stream ends after
    one look, and its script comes again.
    """

    path = "page stream"
    """The route in log and metrics: a stream lasts as long as its page lies open."""

    def __init__(
        self, request: Request, key: ApiKey | None, page: FollowedPage, *, events: bool = False
    ) -> None:
        """With `events` the page is looked at after those that the key may read."""
        backends: Backends = request.app.state.backends
        super().__init__(backends)
        self._documents = backends.documents
        self._page = page
        self._request = request
        self._key = key
        self._events = events and not backends.documents.billed
        self._places = ExitStack()
        self._holds_place = self._is_following = False
        self._cursor: int | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._places:
            if self._key is not None:
                with suppress(LimitReached):
                    self._places.enter_context(self._streams.reading(self._key))
                    self._holds_place = True
            if self._holds_place and self._events:
                self._places.enter_context(self._tail.followed())
                self._is_following = True
            yield

    async def texts(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % AGAIN_MS
        if self._is_following:
            await self._wait_for_log()
        sent = b""
        while True:
            self._cursor = self._tail.newest  # what comes behind it may be missing in the answer
            response = await self._look()
            is_page = isinstance(response, RenderedPage)
            own = response.every if isinstance(response, RenderedPage) else None
            by_events = self._is_following and own is None and response.status_code == 200
            event, digest = await asyncio.to_thread(_event, response)
            del response  # it and its event may be large, and the next look is long in coming
            yield b": the same\n\n" if digest == sent else event
            del event
            sent = digest
            if not is_page:
                return
            every = own or (BILLED_PAGE_SECONDS if self._documents.billed else PAGE_SECONDS)
            if not self._holds_place:
                yield b"retry: %d\n\n" % (every * 1000)
                return
            if by_events:
                await self._wait_for_change()
            else:
                await asyncio.sleep(every)

    async def _look(self) -> Response:
        """The page's answer now, as its script gets it; a mistake of the service is logged, and a problem."""
        own = self._request.scope
        scope = {**own, "headers": [*own["headers"], (PART_HEADER.encode(), b"1")]}
        try:
            return await self._page.answer(Request(scope))
        except Exception:  # not foreseen; the page that lies open goes on
            log.exception("unexpected error", action="internal_error")
            await own_mistakes.note_once(self._documents, "internal_error")
            named = f"The log names it as {logs.request_id.get()}."
            return self._page.shown(scope, Problem("internal_error", named))
        finally:
            leave(scope)

    async def _wait_for_log(self) -> None:
        """Wait until the end of the log is known, so that no event behind the first look is missed."""
        with suppress(TimeoutError, StoreAway):
            async with asyncio.timeout(PAGE_SECONDS):
                await self._streams.want()
                await self._tail.news(-1)

    async def _wait_for_change(self) -> None:
        """Wait until the page may be another one: for an event, a session that ended, or long enough."""
        due = time.monotonic() + EVENTLESS_SECONDS
        await asyncio.sleep(PAGE_SECONDS)
        while (left := due - time.monotonic()) > 0 and await self._is_allowed():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, KEYS_FRESH_SECONDS)):
                    await self._news()
                    return

    async def _news(self) -> None:
        """Wait for an event that the page may show; while the store is away there is none."""
        assert self._key is not None
        wanted, request = EventFilter(self._key, None, None), self._request
        name = request.path_params.get("connection")
        try:
            await self._streams.want()
            while self._cursor is not None:
                for each in (await self._tail.after(self._cursor)).events:
                    self._cursor = each.seq
                    about = each.event.connection
                    if wanted.takes(each.event) and (not name or name_of(about or "") == name):
                        return
                await self._tail.news(self._cursor)
            await self._tail.news(-1)  # the store was away at the first look
        except StoreAway:
            await asyncio.sleep(EVENTLESS_SECONDS)

    async def _is_allowed(self) -> bool:
        with suppress(Exception):  # the next look says it
            return await self._page.person(self._request) is not None
        return False


def _event(response: Response) -> tuple[bytes, bytes]:
    """The event that brings an answer of the page, and a digest of it."""
    if isinstance(response, RenderedPage):
        passing = response.status_code >= 500 or response.status_code == 429
        name, content = b"failed" if passing else b"part", bytes(response.body)
    else:
        name, content = b"moved", response.headers.get("location", "").encode()
    # A line may end by any of the three that a stream knows, also within a text that somebody wrote.
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n")
    event = b"event: %b\ndata: %b\n\n" % (name, lines.replace(b"\n", b"\ndata: "))
    return event, hashlib.blake2b(event).digest()
