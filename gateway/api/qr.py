"""Formats a connection's pairing QR code as JSON, PNG or SVG by the Accept header, for `/api/connections`."""

from __future__ import annotations

import io

import segno
from pydantic import Field
from starlette.responses import Response

from gateway.http.endpoint import written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer, Time, rfc3339

MEDIA_TYPES = ("application/json", "image/png", "image/svg+xml")
_SCALE = 8  # pixels a module: a phone reads it from an arm's length


class Qr(Answer):
    """The code that the phone has to scan."""

    qr: str = Field(
        description="The text that the QR image shows; it is drawn as it is.",
        examples=["https://wa.me/settings/linked_devices#2@…,…,…,…,1"],
    )
    expires_at: Time


def chosen(accept: str) -> str:
    """The media type to answer with, by an `Accept` header (RFC 9110); JSON where all are equal.

    Problem `not_acceptable` when none of `MEDIA_TYPES` is acceptable.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best, best_quality = "", 0.0
    for media_type in MEDIA_TYPES:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    if not best:
        raise Problem("not_acceptable", f"The QR is available as {', '.join(MEDIA_TYPES)}.")
    return best


def shown(media_type: str, text: str, expires_at: float) -> Response:
    """The QR as `media_type`; `expires_at` is in seconds since the epoch."""
    expires = rfc3339(expires_at)
    assert expires is not None
    if media_type == "application/json":
        return written(Qr(qr=text, expires_at=expires), Vary="Accept")
    picture = io.BytesIO()
    kind = "png" if media_type == "image/png" else "svg"
    segno.make_qr(text, error="l").save(picture, kind=kind, scale=_SCALE)
    return Response(picture.getvalue(), media_type=media_type, headers={"Vary": "Accept"})


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(1.0, max(0.0, float(value)))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    main = media_type.partition("/")[0]
    for pattern in (media_type, f"{main}/*", "*/*"):  # the most specific range decides
        qualities = [quality for name, quality in ranges if name == pattern]
        if qualities:
            return max(qualities)
    return 0.0
