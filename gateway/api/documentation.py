"""Serves the API documentation: `/docs` as HTML for people, and the OpenAPI document `/openapi.json`."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

from gateway.http import problems
from gateway.http.endpoint import Call, Gives, Operation

if TYPE_CHECKING:
    from jinja2 import Environment

# Nothing is loaded from anywhere and nothing runs: the pages are text and style.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415 - loaded where it is asked for

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


async def docs(call: Call[None, None]) -> Response:
    return _page(
        "docs.html",
        document=await _document(call),
        port=call.request.app.state.port,
        problems=sorted(problems.KINDS.values(), key=lambda kind: (kind.status, kind.code)),
    )


async def openapi(call: Call[None, None]) -> Response:
    return Response(
        json.dumps(await _document(call), ensure_ascii=False),
        media_type="application/json",
    )


async def _document(call: Call[None, None]) -> dict[str, Any]:
    """Off the event loop, which it would hold up when it is made."""
    document: dict[str, Any] = await asyncio.to_thread(call.request.app.state.openapi)
    return document


def _page(name: str, **values: Any) -> Response:
    return HTMLResponse(_templates().get_template(name).render(**values), headers=_HEADERS)


_HTML = ("text/html",)
OPERATIONS = (
    Operation(
        "GET",
        "/docs",
        "getDocs",
        "This API for a person",
        "pages",
        docs,
        {200: Gives("A page.", media_types=_HTML)},
        None,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "getOpenApi",
        "This document",
        "pages",
        openapi,
        {200: Gives("OpenAPI 3.1.", media_types=("application/json",))},
        None,
    ),
)
