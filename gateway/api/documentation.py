"""Serves the API documentation: `/docs` as HTML for people, and the OpenAPI document `/openapi.json`."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from gateway.http import problems
from gateway.http.endpoint import ApiRequest, Gives, Operation
from gateway.reference import field_tables
from gateway.reference.code_samples import samples
from gateway.schemas.examples import PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415 - loaded where it is asked for

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


async def _docs(call: ApiRequest[None, None]) -> Response:
    state = call.request.app.state
    rendered, policy = await asyncio.to_thread(_page, state.openapi, state.port)
    return HTMLResponse(
        rendered, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    )


async def _openapi(call: ApiRequest[None, None]) -> Response:
    return Response(
        json.dumps(await _document(call), ensure_ascii=False),
        media_type="application/json",
    )


async def _document(call: ApiRequest[None, None]) -> dict[str, Any]:
    """Off the event loop, which it would hold up when it is made."""
    document: dict[str, Any] = await asyncio.to_thread(call.request.app.state.openapi)
    return document


@cache
def _page(openapi: Callable[[], dict[str, Any]], port: int) -> tuple[bytes, str]:
    """The page and its policy. Its only script is in it, is named by its hash, and talks to this instance alone."""
    document = openapi()
    schemas = document["components"]["schemas"]
    script, policy = _script()
    rendered = (
        _templates()
        .get_template("docs.html")
        .render(
            document=document,
            port=port,
            problems=sorted(
                problems.PROBLEM_KINDS.values(), key=lambda kind: (kind.status, kind.code)
            ),
            script=script,
            fields=lambda schema: field_tables.rows(schema, schemas),
            kinds_of=lambda schema: field_tables.kinds(schema, schemas),
            samples=partial(_samples, f"http://127.0.0.1:{port}"),
            path_values=PATH,
            pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        )
    )
    return rendered.encode(), policy


def _samples(
    base: str, method: str, path: str, operation: dict[str, Any], body: Any
) -> Mapping[str, str]:
    if "{" in path:
        path = path.format_map({name: quote(value, safe="") for name, value in PATH.items()})
    if "requestBody" in operation and body is None:
        return {}
    return samples(method, path, body, base=base, keyed=bool(operation["security"]))


@cache
def _script() -> tuple[Markup, str]:
    """The script, and the policy that allows it and no other."""
    from markupsafe import Markup  # noqa: PLC0415 - loaded where it is asked for

    text = (_TEMPLATES / "try.js").read_text()
    digest = b64encode(sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; connect-src 'self'; style-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Markup(text), policy  # noqa: S704 - a file of the package


_HTML = ("text/html",)
OPERATIONS = (
    Operation(
        "GET",
        "/docs",
        "getDocs",
        "This API for a person",
        "pages",
        _docs,
        {200: Gives("A page.", media_types=_HTML)},
        None,
    ),
    Operation(
        "GET",
        "/openapi.json",
        "getOpenApi",
        "This document",
        "pages",
        _openapi,
        {200: Gives("OpenAPI 3.1.", media_types=("application/json",))},
        None,
    ),
)
