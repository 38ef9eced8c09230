"""Chooses the id of a request for answer and log lines: the caller's valid X-Request-Id, or a random id."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUEST_ID_HEADER = b"x-request-id"

_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_NUMBER = re.compile(rb"[0-9]{7}")
# Random digits may look like a phone number, too: a UUID or a trace's id is none.
_RANDOM = re.compile(
    rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*[a-f])[0-9a-f]{16,64}", re.IGNORECASE
)


def made() -> str:
    """A new id, for a request that brings none: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def chosen(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own X-Request-Id, or one that is made here.

    A caller's is taken where it is one of 8 to 64 letters, digits, dots, dashes and underscores
    that holds nothing like a phone number: it goes into the log (G10).
    """
    given = [value for name, value in headers if name == REQUEST_ID_HEADER]
    if len(given) == 1 and _sane(given[0]):
        return given[0].decode()
    return made()


def _sane(given: bytes) -> bool:
    if _RANDOM.fullmatch(given):
        return True
    return _NAME.fullmatch(given) is not None and _NUMBER.search(given) is None
