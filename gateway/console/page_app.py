"""Wraps each console page as an ASGI application: checks session and form token, renders errors as pages."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from actors.state.documents import StoreAway
from gateway.console import rendering
from gateway.console.console_request import PART_HEADER, ConsoleRequest
from gateway.console.login import revoked_sessions, session
from gateway.console.page_stream import PageStream
from gateway.http import body
from gateway.http.endpoint import outages_as_problems
from gateway.http.problems import Problem
from gateway.webhooks.stream import STREAM_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from gateway.backends import Backends
    from gateway.http.api_keys import ApiKey
    from gateway.http.endpoint import Operation

    Outside = Callable[[Request, Mapping[str, str], bytes], Awaitable[Response]]

LOGIN = "/console/login"
FORM = "application/x-www-form-urlencoded"
TOKEN_HEADER = "x-teimoso-token"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class PageMethod:
    """One method of a page. With `outside` nobody has to be logged in; an `upload` is no form.

    A page has a stream, but for one `outside`, and a `file`; the stream of one with `events` follows those.
    """

    handler: Any
    outside: bool = False
    upload: bool = False
    file: bool = False
    events: bool = False

    def has_stream(self, request: Request) -> bool:
        """Whether the request is for the page's stream."""
        wanted = request.method == "GET" and request.headers.get("accept") == STREAM_TYPE
        return wanted and not (self.outside or self.file)


class PageApp:
    """The ASGI application of one page; a person who is not logged in is sent to the login.

    A request that changes anything is refused unless it is of a page of this site (`cross_site`). A problem that
    no handler shows within its page becomes a page of its own.
    """

    def __init__(
        self, path: str, methods: Mapping[str, PageMethod], operations: Mapping[str, Operation]
    ) -> None:
        self.path = path
        self._methods = {**methods, "HEAD": methods["GET"]} if "GET" in methods else dict(methods)
        self._operations = operations
        self._secret: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self._methods[request.method].has_stream(request):
            stream = scope["endpoint"] = await self._stream(request)
            await stream(scope, receive, send)
        else:
            response = await self.answer(request)
            await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """The answer of the page, or its problem as a page."""
        try:
            response = await self._handled(request)
        except Problem as problem:
            response = self.shown(request.scope, problem)
        if PART_HEADER in request.headers:
            # Without it the script takes an answer for that of something in between.
            response.headers[PART_HEADER] = "1"
        return response

    async def person(self, request: Request) -> tuple[session.ConsoleSession, ApiKey] | None:
        """The session of the caller, and its key; None where nobody is logged in. Problem `store_away`."""
        found = await session_of(request, await self._key_of_cookies(request))
        key = None if found is None else await key_of(request, found.key_id)
        return None if found is None or key is None else (found, key)

    def shown(self, scope: Scope, problem: Problem) -> Response:
        """The problem as a page, or as what is between its bars."""
        answer = rendering.page(
            "problem.html",
            {"problem": problem},
            status=problem.kind.status,
            part=PART_HEADER in Request(scope).headers,
        )
        answer.headers.update(problem.headers)
        return answer

    async def _handled(self, request: Request) -> Response:
        method = self._methods[request.method]
        changes = request.method == "POST"
        if changes and not session.of_this_site(request.headers):
            raise Problem("cross_site")
        form = await _form(request) if changes and not method.upload else {}
        if method.outside:
            return await method.handler(request, form, await self._key_of_cookies(request))
        person = await self.person(request)
        if person is None:
            return _to_login(request)
        found, key = person
        token = request.headers.get(TOKEN_HEADER) or form.get("token", "")
        if changes and not session.genuine(found, token):
            raise Problem("cross_site")
        backends: Backends = request.app.state.backends
        with outages_as_problems:
            backends.requests.enter(request.scope, key)
        return await method.handler(
            ConsoleRequest(backends, request, key, found, self._operations, form)
        )

    async def _stream(self, request: Request) -> PageStream:
        person = None
        with suppress(Exception):  # the stream's first look says it
            person = await self.person(request)
        key = None if person is None else person[1]
        return PageStream(request, key, self, events=self._methods[request.method].events)

    async def _key_of_cookies(self, request: Request) -> bytes:
        if self._secret is None:
            data = request.app.state.backends.settings.data
            self._secret = await asyncio.to_thread(session.secret_of, data)
        return self._secret


async def session_of(request: Request, secret: bytes) -> session.ConsoleSession | None:
    """The session of the caller; None where there is none, or it is over, or was logged out."""
    found = session.opened(secret, request.cookies.get(session.COOKIE), time.time())
    if found is None:
        return None
    data = request.app.state.backends.settings.data
    return None if await asyncio.to_thread(revoked_sessions.is_ended, data, found) else found


async def key_of(request: Request, key_id: str) -> ApiKey | None:
    """The key of a session, if it is still one that may read. Problem `store_away`."""
    try:
        key = await request.app.state.backends.ring.by_id(key_id)
    except StoreAway:
        raise Problem("store_away", "The API key cannot be checked now.") from None
    return key if key is not None and key.may("read") else None


async def _form(request: Request) -> Mapping[str, str]:
    content = await body.read(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content and media_type != FORM:
        raise Problem("unsupported_media_type", f"A form is sent as {FORM}.")
    try:
        return dict(
            parse_qsl(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
        )
    except ValueError:
        raise Problem("malformed_request") from None


def _to_login(request: Request) -> Response:
    if PART_HEADER in request.headers:
        # The script of a page that lay open goes there.
        return Response(status_code=401, headers={**rendering.HEADERS, "Location": LOGIN})
    return RedirectResponse(LOGIN, status_code=303, headers=rendering.HEADERS)
