"""Reads header fields by name from the raw list of an ASGI request: names in lower case, all bytes.

For what every request is asked: Starlette's `Headers` writes each name anew for each look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Fields = Iterable[tuple[bytes, bytes]]


def first(fields: Fields, name: bytes) -> str | None:
    """The first value of that name, None if there is none."""
    for each, value in fields:
        if each == name:
            return value.decode("latin-1")
    return None


def every(fields: Fields, name: bytes) -> list[str]:
    """All values of that name."""
    return [value.decode("latin-1") for each, value in fields if each == name]
