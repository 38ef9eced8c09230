"""Parses JSON bodies and query parameters of control API requests, and builds problem+json errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request

_MAX_BODY: Final = 1 << 20
# A number of at most so many digits fits into an SQLite integer.
_DIGITS: Final = 18
_LARGEST: Final = 1e18


class ProblemError(Exception):
    """An error of a request: status, stable code, and a sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """Returns an error response as `application/problem+json` (RFC 9457), with a stable `code`."""
    return JSONResponse(
        {"status": status, "code": code, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
    )


async def body_of(request: Request) -> dict[str, Any]:
    """The body, {} when there is none. Raises ProblemError when it is no JSON object."""
    raw = await request.body() or b"{}"
    if len(raw) > _MAX_BODY:
        raise ProblemError(413, "too_large", "the body is larger than 1 MiB")
    try:
        body = json.loads(raw, parse_int=_whole, parse_float=_real, parse_constant=_real)
        if b"\\u" in raw:
            json.dumps(body, ensure_ascii=False).encode()  # half a character is in no text
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "malformed_json", "the body is not JSON") from error
    if not isinstance(body, dict):
        raise ProblemError(400, "malformed_json", "the body must be an object")
    return body


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ProblemError(400, "bad_number", "a number is too large")
    return int(digits)


def _real(written: str) -> float:
    number = float(written)
    if not abs(number) < _LARGEST:  # nor is NaN
        raise ProblemError(400, "bad_number", "a number is too large, or none")
    return number


def field(body: dict[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field that must be there, of that type. Raises ProblemError."""
    if name not in body:
        raise ProblemError(400, "missing_field", f"{name} is needed")
    value = body[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProblemError(400, "wrong_type", f"{name} has the wrong type")
    return value


def optional(body: dict[str, Any], name: str, default: Any) -> Any:
    """A field of the default's type that may be missing. Raises ProblemError."""
    return field(body, name, type(default)) if name in body else default


def number_in(request: Request, name: str, code: str) -> int | None:
    """A whole number in the address, None when it is not there. Raises ProblemError(400, code)."""
    given = request.query_params.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= _DIGITS):
        raise ProblemError(400, code, f"{name} must be a number")
    return int(given)
