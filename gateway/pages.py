"""The pages for a person: a first page, the API's documentation, and the document behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse, Response

from gateway import problems
from gateway.endpoint import Call, Gives, Operation

# Nothing is loaded from anywhere and nothing runs: the pages are text and style.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def landing(_: Call[None, None]) -> Response:
    return _page("landing.html")


async def docs(call: Call[None, None]) -> Response:
    return _page(
        "docs.html",
        document=call.request.app.state.openapi,
        port=call.request.app.state.port,
        problems=sorted(problems.KINDS.values(), key=lambda kind: (kind.status, kind.code)),
    )


async def openapi(call: Call[None, None]) -> Response:
    return Response(
        json.dumps(call.request.app.state.openapi, ensure_ascii=False),
        media_type="application/json",
    )


def _page(name: str, **values: Any) -> Response:
    return HTMLResponse(_templates.get_template(name).render(**values), headers=_HEADERS)


_HTML = ("text/html",)
OPERATIONS = (
    Operation(
        "GET",
        "/",
        "getFirstPage",
        "The first page",
        "pages",
        landing,
        {200: Gives("A page.", media_types=_HTML)},
        None,
    ),
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
