"""Renders console pages as HTML from Jinja templates, and adds the security headers of every page."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from gateway.console import code_texts, message_text
from gateway.http.response_base import rfc3339

if TYPE_CHECKING:
    from jinja2 import Environment

HERE: Final = Path(__file__).parent
HEADERS: Final = {
    # Nothing is loaded from elsewhere, and nothing that a page says can run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    # With `no-referrer` a form's Origin would be null.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class RenderedPage(Response):
    """A page; `every` are the seconds between two looks of its stream, where it has some of its own."""

    media_type = "text/html"
    every: float | None = None


def page(
    name: str, values: dict[str, Any], *, status: int = 200, part: bool = False
) -> RenderedPage:
    """The page, or what is between its bars: the `part` that its script puts in place."""
    layout = "part.html" if part else "base.html"
    content = environment().get_template(name).render(layout=layout, **values)
    return RenderedPage(content, status, HEADERS)


@cache
def environment() -> Environment:
    """Made when somebody first asks for a page: most gateways show none."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals |= {"words": code_texts, "static": _versioned}
    made.filters |= {
        "formatted": lambda text: Markup(message_text.html(text)),  # noqa: S704 - it escapes
        "size": code_texts.size,
        "number": code_texts.number,
        "rfc3339": rfc3339,
        "moment": _moment,
        "day": _day,
    }
    return made


@cache
def static_file(name: str) -> tuple[bytes, str]:
    """The bytes of a static file, and the tag of this version of it. Raises FileNotFoundError."""
    content = (HERE / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]


def _versioned(name: str) -> str:
    return f"/console/static/{name}?v={static_file(name)[1]}"


def _moment(at: str | None) -> str:
    """A time for browsers without scripts; the script shows it in the browser's time zone."""
    return "" if at is None else datetime.fromisoformat(at).strftime("%d %b %Y, %H:%M UTC")


def _day(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%A, %d %B %Y")
