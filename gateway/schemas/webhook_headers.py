"""Validates and parses the HTTP headers that a webhook adds, and defines the mask of their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"
"""In place of a value, in every answer."""

MAX_HEADERS, MAX_HEADER_NAME_CHARACTERS, MAX_HEADER_VALUE_CHARACTERS = 20, 64, 1024
"""Headers of a webhook, characters of a name and of a value."""

HEADER_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
VALUE = r"^[!-~]([ -~]*[!-~])?$"

EXAMPLE_VALUE: Final = "Bearer s3cret"
"""Of the header Authorization."""

RESERVED: Final = frozenset(
    (
        *("accept", "connection", "content-encoding", "content-length", "content-type", "expect"),
        *("host", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("user-agent",),
    )
)
RESERVED_FIRST: Final = ("proxy-", "webhook-", "content-", "sec-")
"""Names that Teimoso sets itself, or that mean something to the connection; and how such names begin."""


def from_lines(lines: Iterable[str]) -> dict[str, str]:
    """The headers in lines ``NAME: VALUE``, by name. Raises ValueError, whose sentence names the line alone."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.strip().partition(":")
        if not colon and name:
            raise ValueError(
                f"Line {number} of the headers has no colon; write it as in Authorization: {EXAMPLE_VALUE}."
            )
        if name:
            found[name.strip()] = value.strip()
    return found


def _usable(headers: dict[str, str]) -> dict[str, str]:
    """Headers that can go with a delivery; a refusal never repeats a value."""
    names = [name.lower() for name in headers]
    if len(headers) > MAX_HEADERS:
        raise _refused(f"list at most {MAX_HEADERS} headers")
    if len(set(names)) < len(names):
        raise _refused("name each header once")
    for name, value in headers.items():
        if len(name) > MAX_HEADER_NAME_CHARACTERS or not re.fullmatch(HEADER_NAME[1:-1], name):
            raise _refused("the name of a header has letters, digits, hyphens and underscores")
        if name.lower() in RESERVED or name.lower().startswith(RESERVED_FIRST):
            raise _refused("leave out the headers that are reserved, Content-Type say")
        if len(value) > MAX_HEADER_VALUE_CHARACTERS or not re.fullmatch(VALUE[1:-1], value):
            raise _refused("the value of a header is visible ASCII, with spaces within")
        if value == MASK:
            raise _refused("write the value of a header itself, not its mask")
    return headers


def _refused(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_field", "{reason}", {"reason": sentence})


Headers = Annotated[
    dict[str, str],
    AfterValidator(_usable),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_HEADERS,
            "propertyNames": {"pattern": HEADER_NAME, "maxLength": MAX_HEADER_NAME_CHARACTERS},
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_HEADER_VALUE_CHARACTERS,
                "pattern": VALUE,
                "examples": [EXAMPLE_VALUE],
            },
            "description": "Headers that go with each delivery, an `Authorization` say. Their values are secrets:"
            " answers show them masked. Those that Teimoso sets, and those of the connection, are"
            " refused.",
            "examples": [{"Authorization": EXAMPLE_VALUE}],
        }
    ),
]
