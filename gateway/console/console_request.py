"""Represents one request of a logged-in person to the console, and calls API operations with the person's key.

Pages ask the operations of the API with the person's key: they show and do what that key may,
and nothing besides.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from actors.health import summary
from actors.runtime.connection_ids import name_of
from gateway.console import rendering
from gateway.http import auth
from gateway.http.endpoint import (
    ApiRequest,
    handled,
    outages_as_problems,
    validated_body,
    validated_query,
)
from gateway.http.problems import Problem
from gateway.schemas.examples import field_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.backends import Backends
    from gateway.console.login.session import ConsoleSession
    from gateway.console.rendering import RenderedPage
    from gateway.http.api_keys import ApiKey, Scope
    from gateway.http.endpoint import Operation

PART_HEADER = "x-teimoso-part"
"""The header by which a page's script asks for what is between its bars."""


@dataclass(frozen=True, slots=True)
class PagePart:
    """The part of a page for one thing, or the reason for which it cannot be shown."""

    data: Any
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """A request of a person; `form` is what was sent with it."""

    backends: Backends
    request: Request
    key: ApiKey
    session: ConsoleSession
    operations: Mapping[str, Operation]
    form: Mapping[str, str]

    @property
    def path(self) -> dict[str, str]:
        return self.request.path_params

    @property
    def connection(self) -> str:
        """The incarnation that the form carries (G12), or the name in the path where it carries none.

        Problem `unknown_connection` if the incarnation is of another name.
        """
        name, shown = self.path["connection"], self.form.get("incarnation")
        if shown and name_of(shown) != name:
            raise Problem("unknown_connection")
        return shown or name

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def may(self, operation: str) -> bool:
        """Whether the person's key has the scope for it."""
        scope = self.operations[operation].scope
        return scope is None or self.key.may(scope)

    def example(self, operation: str, *place: int | str) -> str:
        """The example of a field that the API has in its document and in its refusals."""
        model = self.operations[operation].body
        _, found = ("", None) if model is None else field_at(model, place)
        assert found is not None, (operation, place)  # a test opens every form
        return found

    def require(self, scope: Scope) -> None:
        """Count a request of the person's key. Problems `rate_limited`, and `missing_scope` without the scope."""
        _, refusal = self.backends.rates.take(self.key)
        if refusal is not None:
            raise refusal
        auth.require(self.key, scope)

    async def response(
        self,
        operation: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The API's answer to the person's key. Raises `Problem`."""
        target = self.operations[operation]
        if target.scope is not None:
            self.require(target.scope)
        parameters = None if target.query is None else validated_query(target.query, query or {})
        content = None
        if target.body is not None:
            content = validated_body(target.body, json.dumps(body or {}))
        request = self._inner(path or {}, headers or {})
        with outages_as_problems:
            return await handled(
                target, ApiRequest(self.backends, request, self.key, content, parameters)
            )

    async def call(self, operation: str, **arguments: Any) -> Any:
        """The API's answer, as it would be read from JSON. Raises as `response`."""
        answer = await self.response(operation, **arguments)
        return from_json(bytes(answer.body)) if answer.body else None

    async def part(self, operation: str, **arguments: Any) -> PagePart:
        """The API's answer, or why there is none: the rest of the page is shown all the same."""
        try:
            return PagePart(await self.call(operation, **arguments))
        except Problem as problem:
            return PagePart(None, problem)

    async def page(
        self,
        name: str,
        *,
        problem: Problem | None = None,
        live: str | None = None,
        every: float | None = None,
        **values: Any,
    ) -> RenderedPage:
        """The page `name`; `live` is where its script follows it, empty for a page that stays as it is.

        A `problem` is what came of what the person asked for last. `every` is that of `RenderedPage`.
        """
        seen = await self.backends.observer.look()
        interval = self.backends.settings.health_check_interval / 1000
        status, _ = summary.overall(
            seen.latest, redis=seen.redis, store=seen.store, now=time.time(), interval=interval
        )
        common = {
            "live": self._address if live is None else live,
            "may": self.may,
            "example": self.example,
            "key": self.key,
            "token": self.session.token,
            "redis_up": seen.redis,
            "store_up": seen.store,
            "health": status,
            "problem": problem,
            "now": time.time(),
        }
        # In a thread: what others wrote may be most of the page.
        shown = await asyncio.to_thread(
            rendering.page,
            name,
            {**common, **values},
            status=200 if problem is None else problem.kind.status,
            part=PART_HEADER in self.request.headers,
        )
        shown.every = every
        return shown

    def to(self, address: str) -> Response:
        """Send the person's browser to another page, once what was asked for is done."""
        return RedirectResponse(address, status_code=303)

    @property
    def names(self) -> list[str]:
        """The connections that the key reaches. Problem `store_away`."""
        with outages_as_problems:
            return [one.name for one in self.backends.connections.all() if self.key.reaches(one.id)]

    @property
    def _address(self) -> str:
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def _inner(self, path: Mapping[str, str], headers: Mapping[str, str]) -> Request:
        own = self.request.scope
        kept = [pair for pair in own["headers"] if pair[0] in _PASSED_ON]
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {**own, "path_params": dict(path), "query_string": b"", "headers": kept + given}
        return Request(scope, self.request.receive)


# The headers of a browser about a file that it sends or wants.
_PASSED_ON = frozenset(
    {
        b"range",
        b"if-range",
        b"if-none-match",
        b"content-length",
        b"content-type",
        b"content-encoding",
    }
)
