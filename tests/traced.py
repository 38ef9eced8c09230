"""Traces as the tests read them: their lines, and what must not be in them."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NUMBERS = re.compile(r'(?<![~.\d])[0-9]{5,}(?!\.\d)|"[^"]*\s[^"]*"')
"""Five digits in a row that are no size and no second; a text of several words."""


def files(trace: Path) -> list[Path]:
    """The files of a trace, the oldest first."""
    return sorted(trace.parent.glob(f"{trace.name}*"), key=lambda file: file.name, reverse=True)


def lines(trace: Path) -> list[dict[str, Any]]:
    """All that was recorded, heads left out."""
    found = [json.loads(line) for file in files(trace) for line in file.read_text().splitlines()]
    return [line for line in found if "trace" not in line]


def stanzas(trace: Path, direction: str, tag: str, **attrs: str) -> list[dict[str, Any]]:
    """The stanzas of a kind that have these attributes."""
    return [
        line
        for line in lines(trace)
        if (line.get("dir"), line.get("tag")) == (direction, tag)
        and attrs.items() <= line.get("attrs", {}).items()
    ]


def leaks(trace: Path, secrets: Iterable[str | bytes]) -> list[str]:
    """Secrets that are in the trace, in any spelling, and other things that look like one."""
    found = []
    for file in files(trace):
        text = file.read_text().lower()
        found += [word for secret in secrets for word in spellings(secret) if word.lower() in text]
        for line in file.read_text().splitlines():
            read = json.loads(line)
            read.get("payload", {}).pop("version", None)  # WhatsApp's, in public
            found += _NUMBERS.findall(json.dumps(read, separators=(",", ":")))
    return found


def spellings(secret: str | bytes) -> Iterator[str]:
    if isinstance(secret, str):
        yield secret
    elif len(secret) >= 8:
        yield secret.hex()
        yield base64.b64encode(secret).decode().rstrip("=")
        yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
