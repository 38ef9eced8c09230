"""Reads a request's body as it arrives, bounded in bytes and seconds; checks that JSON bodies are declared as JSON."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from gateway.http.header_fields import first
from gateway.http.problems import Problem, named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

MAX_BODY_BYTES = 1_000_000  # bytes
BODY_SECONDS = 20.0  # seconds for the whole body
LEAST_RATE = 8192  # bytes a second of an upload, after the first `BODY_SECONDS`
WHOLE_BODY_EXTENSION = "teimoso.whole_body"
"""The ASGI extension by which the server tells that the body is there: nobody waits for it."""


async def read(request: Request) -> bytes:
    """The body. Problems: `body_too_large` as soon as it is known, `body_timeout`."""
    announced = first(request.scope["headers"], b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    if WHOLE_BODY_EXTENSION in request.scope.get("extensions", ()):
        return await _bounded(request)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _bounded(request)
    except TimeoutError:
        raise Problem(
            "body_timeout",
            f"The body did not arrive within {BODY_SECONDS:g} seconds.",
            headers={"Connection": "close"},
        ) from None


async def _bounded(request: Request) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def patience(size: int, waited: float) -> float:
    """Return the seconds for the next piece of an upload of which `size` bytes came in `waited` seconds."""
    return min(BODY_SECONDS, BODY_SECONDS + size / LEAST_RATE - waited)


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """A body of any size as it arrives. Problem `body_timeout` where it stops coming, or is too slow.

    The time that the reader takes for a chunk does not count.
    """
    stream = request.stream()
    size, waited = 0, 0.0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience(size, waited)):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Problem(
                "body_timeout",
                f"Nothing of the body arrived for {BODY_SECONDS:g} seconds, or less than {LEAST_RATE} bytes a second.",
                headers={"Connection": "close"},
            ) from None
        if chunk is None:
            return
        waited += time.monotonic() - began
        size += len(chunk)
        yield chunk


def require_json(request: Request) -> None:
    """Problem `unsupported_media_type` unless the body is declared to be JSON, as it is."""
    fields = request.scope["headers"]
    encoding = first(fields, b"content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        raise Problem(
            "unsupported_media_type", "Send the body as it is, without a Content-Encoding."
        )
    encoding = first(fields, b"transfer-encoding")
    if encoding is not None and encoding.strip().lower() != "chunked":
        raise Problem(
            "unsupported_media_type",
            "Send the body as it is, with no Transfer-Encoding but chunked.",
        )
    media_type = (first(fields, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise Problem(
            "unsupported_media_type", "Send the body as JSON, with Content-Type: application/json."
        )


def require_each_once(content: bytes, fields: int) -> None:
    """Problem `duplicate_field` when an object of the valid JSON `content` has a name twice.

    Which of the two counts depends on who reads it (RFC 8259, 4), and a message must not go to
    another number than the one that a proxy saw. `fields` is how many were found in it.
    """
    if content.count(b":") == fields:
        return  # every name has a colon behind it: there are no more names than fields
    json.loads(content, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        name = named(next(name for name in names if names.count(name) > 1))
        raise Problem(
            "duplicate_field",
            f"The field {name}: it is given twice.",
            errors=[{"field": name, "code": "duplicate_field", "message": "it is given twice"}],
        )
    return found


def _too_large() -> Problem:
    return Problem("body_too_large", f"A body has at most {MAX_BODY_BYTES} bytes.")
