"""Declares the Starlette routes of the web console's pages."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from starlette.routing import Route

from gateway.console.login import login_pages
from gateway.console.page_app import PageApp, PageMethod
from gateway.console.pages import (
    api_keys,
    conversations,
    home,
    logs,
    message_actions,
    queue,
    recovery,
    settings,
    system,
    webhooks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.http.endpoint import Operation

ROOMS = (
    login_pages,
    home,
    conversations,
    message_actions,
    queue,
    recovery,
    system,
    api_keys,
    webhooks,
    settings,
    logs,
)
_ELSE = {"/console/{rest:path}": {"GET": PageMethod(login_pages.nothing)}}


def routes(operations: Sequence[Operation]) -> list[Route]:
    """The pages, which ask these operations."""
    by_id = {operation.id: operation for operation in operations}
    pages = chain(*(room.ROUTES.items() for room in ROOMS), _ELSE.items())
    return [
        Route(path, PageApp(path, methods, by_id), methods=list(methods)) for path, methods in pages
    ]
