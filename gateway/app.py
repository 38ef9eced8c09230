"""Builds the gateway's Starlette application: joins routes and middleware, opens and closes the backends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route, Router

from gateway.api import (
    alerts_and_recoveries,
    connections,
    documentation,
    health,
    keys,
    lookups,
    media,
    messages,
    pairing_codes,
    presence,
    queue,
    sends,
    traces,
)
from gateway.api.account import (
    chat_list,
    chats,
    contact_list,
    engine_actions,
    forwards,
    group_changes,
    groups,
    passkeys,
    profiles,
    read_marks,
    refused_documents,
    stars,
)
from gateway.api.webhooks import deliveries
from gateway.api.webhooks import resource as webhooks
from gateway.backends import Backends
from gateway.console.routes import routes as console
from gateway.http import openapi
from gateway.http.access_log import Access
from gateway.http.endpoint import Endpoint
from gateway.webhooks import stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

    from actors.config.settings import Settings
    from gateway.http.endpoint import Operation

# The hot path first: routes are tried in order.
OPERATIONS: tuple[Operation, ...] = (
    *sends.OPERATIONS,
    *messages.OPERATIONS,
    *read_marks.OPERATIONS,
    *forwards.OPERATIONS,
    *stars.OPERATIONS,
    *media.OPERATIONS,
    *connections.OPERATIONS,
    *pairing_codes.OPERATIONS,
    *passkeys.OPERATIONS,
    *engine_actions.OPERATIONS,
    *chats.OPERATIONS,
    *chat_list.OPERATIONS,
    *contact_list.OPERATIONS,
    *group_changes.OPERATIONS,
    *groups.OPERATIONS,
    *profiles.OPERATIONS,
    *refused_documents.OPERATIONS,
    *lookups.OPERATIONS,
    *presence.OPERATIONS,
    *traces.OPERATIONS,
    *queue.OPERATIONS,
    *health.OPERATIONS,
    *alerts_and_recoveries.OPERATIONS,
    *webhooks.OPERATIONS,
    *deliveries.OPERATIONS,
    *keys.OPERATIONS,
    *stream.OPERATIONS,
    *documentation.OPERATIONS,
)


class Paths:
    """The router, but that an operation whose path has no parameters is found without a search."""

    def __init__(self, router: Router) -> None:
        self._router = router
        routes = [each for each in router.routes if isinstance(each, Route)]
        self._endpoints = {
            each.path: each.endpoint
            for each in routes
            if isinstance(each.endpoint, Endpoint)
            # The route that the router would choose of several.
            and next(one for one in routes if one.path_regex.match(each.path)) is each
            and not each.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] not in endpoint.operations:
            await self._router(scope, receive, send)
            return
        scope["endpoint"], scope["path_params"] = endpoint, {}
        await endpoint(scope, receive, send)


class Application(Starlette):
    """Routes within `Access` and nothing between: it answers the errors that Starlette's own layers catch."""

    def __init__(self, settings: Settings, lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes=_routes(), lifespan=lifespan)
        self._logs_requests = settings.log_level in {"debug", "info"}
        self.router.redirect_slashes = False

    def build_middleware_stack(self) -> ASGIApp:
        return Access(Paths(self.router), logs_requests=self._logs_requests)


def application(settings: Settings) -> Starlette:
    """The application; its lifespan opens the backends and closes them."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Backends.open(settings) as backends:
            app.state.backends = backends
            yield

    app = Application(settings, lifespan)
    app.state.openapi = _document
    app.state.port = settings.port
    return app


@cache
def _document() -> dict[str, Any]:
    """Made when somebody asks for it: it takes longer than all else that a start computes."""
    return openapi.document(OPERATIONS, _version())


def _version() -> str:
    try:
        return metadata.version("teimoso")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _routed(methods: Mapping[str, Operation]) -> list[str] | None:
    """The methods that go to the endpoint of a path; None for all."""
    return None if any(each.own_path for each in methods.values()) else list(methods)


def _routes() -> list[Route]:
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        *(
            Route(path, Endpoint(path, methods), methods=_routed(methods))
            for path, methods in by_path.items()
        ),
        *console(OPERATIONS),
    ]
