"""Parses Range and If-None-Match headers of a file download: one range or the whole file (RFC 9110, pure)."""

from __future__ import annotations

import re
from typing import Final

_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,19})-([0-9]{0,19})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """The file has nothing of what is asked for."""


def part(header: str | None, condition: str | None, tag: str, size: int) -> tuple[int, int] | None:
    """The begin and the end of the requested part; None for all of it. Raises `Unsatisfiable`.

    A header that cannot be read counts as none, and so does one for another file (`condition` is
    If-Range). Several ranges at once are answered by all of it.
    """
    found = None if header is None else _RANGE.fullmatch(header.strip())
    if found is None or (condition is not None and condition.strip() != f'"{tag}"'):
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise Unsatisfiable
    return start, end


def is_cached(header: str | None, tag: str) -> bool:
    """Whether the caller has this very file (`header` is If-None-Match)."""
    if header is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in header.split(",")]
    return "*" in tags or f'"{tag}"' in tags
