"""The gateway's Starlette application: its routes, and nothing that it decides."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from gateway import connections, messages, openapi, operations, pages, queue
from gateway.access import Access
from gateway.backends import Backends
from gateway.endpoint import Endpoint
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from actors.settings import Settings
    from gateway.endpoint import Operation

# The hot path first: routes are tried in order.
OPERATIONS: tuple[Operation, ...] = (
    *messages.OPERATIONS,
    *connections.OPERATIONS,
    *queue.OPERATIONS,
    *operations.OPERATIONS,
    *pages.OPERATIONS,
)


def application(settings: Settings) -> Starlette:
    """The application; its lifespan opens the backends and closes them."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Backends.open(settings) as backends:
            app.state.backends = backends
            yield

    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(Access, logs_requests=settings.log_level in {"debug", "info"})],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.openapi = openapi.document(OPERATIONS, _version())
    return app


def _version() -> str:
    try:
        return metadata.version("teimoso")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _routes() -> list[Route]:
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route(path, Endpoint(path, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


async def _refused(_: Request, error: Any) -> Response:
    """What the router refuses: unknown paths and methods."""
    if error.status_code == 405:
        allow = ", ".join(sorted(error.headers["Allow"].split(", ")))
        return Problem(
            "method_not_allowed", f"This path has {allow}.", headers={"Allow": allow}
        ).response()
    assert error.status_code == 404, error.status_code
    return Problem("not_found", "The paths that exist are listed at /docs.").response()
