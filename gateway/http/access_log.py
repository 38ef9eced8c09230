"""Wraps the gateway as ASGI middleware: adds request ids, logs and counts requests, turns errors into responses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from actors.state import own_mistakes
from gateway.concurrency import leave
from gateway.http import logs, rate_limiter, request_ids
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
_CLIENT_GONE = 499
_NO_STORE = (b"cache-control", b"no-store")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")


class Access:
    """Every request gets one answer, one count and one log line (G10), all under its id, and ends its place.

    The line has the route, never the path or the query: a path that somebody mistyped may hold a
    number or a key. A refusal of the router is a problem; an unexpected error becomes a logged 500, without its message.
    """

    def __init__(self, app: ASGIApp, *, logs_requests: bool) -> None:
        self._app = app
        self._logs = logs_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = request_ids.chosen(scope["headers"])
        logs.request_id.set(request_id)
        status, broken = 0, False

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = message["headers"]
                if b"cache-control" not in dict(fields):
                    fields.append(_NO_STORE)
                fields += ((request_ids.REQUEST_ID_HEADER, request_id.encode()), _NO_SNIFF)
                fields += scope.get(rate_limiter.QUOTA_FIELDS, ())
            await send(message)

        try:
            try:
                _require_plain(scope)
                await self._app(scope, receive, sending)
            except HTTPException as refusal:
                await _refused(refusal).response()(scope, receive, sending)
        except ClientDisconnect:
            status = _CLIENT_GONE
        except Exception:
            broken = True
            log.exception("unexpected error", action="internal_error")
            if not status:
                problem = Problem("internal_error", f"The log names it as {request_id}.")
                # A page says it as a page.
                shown = getattr(scope.get("endpoint"), "shown", None)
                response = problem.response() if shown is None else shown(scope, problem)
                await response(scope, receive, sending)
        finally:
            leave(scope)
            self._note(scope, request_id, status, time.perf_counter() - started)
        if broken:
            documents = scope["app"].state.backends.documents
            await own_mistakes.note_once(documents, "internal_error")

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("endpoint"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        scope["app"].state.backends.metrics.answered(method, route, status, seconds)
        if self._logs and (route not in _QUIET or status >= 400):
            logs.request(
                request_id=request_id,
                method=method,
                route=route,
                status=status,
                seconds=seconds,
            )


def _require_plain(scope: Scope) -> None:
    """Nothing is at a path with a slash that is written ``%2F``.

    The router would take it for a slash, which it is not (RFC 3986, 2.2), and a proxy does not.
    """
    if b"%2f" in scope["raw_path"].lower():
        raise HTTPException(404)


def _refused(refusal: HTTPException) -> Problem:
    """The router's refusals: unknown paths and methods."""
    if refusal.status_code == 405:
        assert refusal.headers is not None
        allow = ", ".join(sorted(refusal.headers["Allow"].split(", ")))
        return Problem("method_not_allowed", f"This path has {allow}.", headers={"Allow": allow})
    assert refusal.status_code == 404, refusal.status_code
    return Problem("not_found", "The paths that exist are listed at /docs.")
