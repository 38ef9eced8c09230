"""Serves the console's login page and logout, and the static files of all console pages."""

from __future__ import annotations

import asyncio
import mimetypes
import time
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from actors.state.documents import StoreAway
from gateway.console import rendering
from gateway.console.login import revoked_sessions, session
from gateway.console.page_app import LOGIN, PageMethod, key_of, session_of
from gateway.http import auth, byte_ranges
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from gateway.backends import Backends
    from gateway.console.console_request import ConsoleRequest

STATIC = frozenset({"console.css", "console.js", "conversations.js", "icon.svg"})


async def show(request: Request, _: Mapping[str, str], secret: bytes) -> Response:
    """The form; a person who is logged in is led to the first page."""
    found = await session_of(request, secret)
    try:
        if found is not None and await key_of(request, found.key_id) is not None:
            return RedirectResponse("/", status_code=303, headers=rendering.HEADERS)
    except Problem as problem:
        return _again(problem)
    return rendering.page("login.html", {"problem": None})


async def log_in(request: Request, form: Mapping[str, str], secret: bytes) -> Response:
    """Set the cookie for a key that may read; an address with too many wrong keys waits."""
    backends: Backends = request.app.state.backends
    token = form.get("key", "").strip()
    address = auth.address_of(request)
    try:
        backends.guesses.check(address)
    except Problem as problem:
        return _again(problem)
    try:
        key = await backends.ring.find(token) if token else None
    except StoreAway:
        return _again(Problem("store_away", "The API key cannot be checked now; try again soon."))
    if key is None:
        backends.guesses.wrong(address)
        return _again(Problem("unauthorized", "There is no such API key."))
    if not key.may("read"):
        return _again(Problem("missing_scope", "The console needs an API key that may read."))
    try:
        backends.logins.count(key)
    except Problem as problem:
        return _again(problem)
    cookie = session.sealed(secret, key.id, time.time())
    return _with_cookie(RedirectResponse("/", status_code=303), request, cookie)


async def log_out(view: ConsoleRequest) -> Response:
    """End the session before its time; raises `Problem` while that cannot be stored."""
    data = view.backends.settings.data
    try:
        await asyncio.to_thread(revoked_sessions.end, data, view.session)
    except OSError:
        raise Problem("media_unavailable", "The logout cannot be written to the disk.") from None
    return _with_cookie(RedirectResponse(LOGIN, status_code=303), view.request, None)


async def static(request: Request, _: Mapping[str, str], __: bytes) -> Response:
    """Of a version that the address names it may be kept for good."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise Problem("not_found", "There is no such file.")
    content, tag = rendering.static_file(name)
    current = request.query_params.get("v") == tag
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
    }
    if byte_ranges.is_cached(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, mimetypes.guess_type(name)[0])


async def nothing(_: ConsoleRequest) -> Response:
    """Any other path; raises `Problem` `not_found`."""
    raise Problem("not_found", "There is no such page.")


def _again(problem: Problem) -> Response:
    answer = rendering.page("login.html", {"problem": problem}, status=problem.kind.status)
    answer.headers.update(problem.headers)
    return answer


def _with_cookie(response: Response, request: Request, value: str | None) -> Response:
    response.set_cookie(
        session.COOKIE,
        value or "",
        max_age=session.LASTS if value else 0,
        path="/",
        secure=session.is_encrypted(request),
        httponly=True,
        samesite="strict",
    )
    return response


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    LOGIN: {"GET": PageMethod(show, outside=True), "POST": PageMethod(log_in, outside=True)},
    "/console/logout": {"POST": PageMethod(log_out)},
    "/console/static/{name}": {"GET": PageMethod(static, outside=True)},
}
