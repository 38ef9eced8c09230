"""Reads and validates the lines of recorded trace files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from actors.connection.trace.trace_file import FORMAT, OLDER, older

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EVENTS: Final = ("login", "end", "gap")
_LONGEST: Final = 1 << 20
"""Characters of a line; a stanza of a thousand parts has fewer."""


class TraceError(Exception):
    """The file is no valid trace; the text has the reason, for a person."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Returns the lines of a trace, those of the older files beside it first.

    Raises TraceError.
    """
    empty = True
    for number in range(OLDER, -1, -1):
        file = older(path, number)
        if number and not file.exists():
            continue
        for line in _read(file):
            empty = False
            yield line
    if empty:
        raise TraceError(f"{path} is empty: nothing was recorded.")


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="ascii") as file:
            for place, text in enumerate(iter(lambda: file.readline(_LONGEST), ""), 1):
                yield _line(text, f"Line {place} of {path}", first=place == 1)
    except FileNotFoundError as error:
        raise TraceError(f"There is no file {path}.") from error
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is no trace: it has other characters than a trace.") from error


def _line(text: str, where: str, *, first: bool) -> dict[str, Any]:
    try:
        line = json.loads(text)
        right = isinstance(line, dict) and ("trace" in line or not first) and _is_known(line)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{where} is no JSON: this is no trace, or a part of one.") from error
    if not right:
        raise TraceError(f"{where} is none of a trace.")
    if line.get("trace", FORMAT) != FORMAT:
        raise TraceError(f"{where} has format {line['trace']}; format {FORMAT} is known.")
    return dict(line)


def _is_known(line: dict[str, Any]) -> bool:
    """Returns whether a line is a head, an event or a stanza."""
    if "trace" in line:
        kinds = {"trace": int, "by": str, "part": int}
        return all(isinstance(line.get(name), kind) for name, kind in kinds.items())
    if not isinstance(line.get("at"), int | float):
        return False
    if "event" in line:
        return line["event"] in _EVENTS and isinstance(line.get("dropped", 0), int)
    return line.get("dir") in ("in", "out") and _is_node(line)


def _is_node(node: Any) -> bool:
    if not isinstance(node, dict) or not isinstance(node.get("tag"), str):
        return False
    attrs, parts = node.get("attrs", {}), node.get("parts", [])
    if not isinstance(attrs, dict) or not isinstance(parts, list):
        return False
    named = all(isinstance(value, str) or name == "?" for name, value in attrs.items())
    return named and all(map(_is_node, parts))
