"""Findings of `teimoso doctor`, and the remedy of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """`found` and `do` are sentences for a person; no secret is in them. `check` is a stable name."""

    check: str
    result: Result
    found: str
    do: str | None = None


def ok(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, do: str | None = None) -> Finding:
    """It runs, and less well than it could."""
    return Finding(check, "warn", found, do)


def fail(check: str, found: str, do: str) -> Finding:
    """It does not run like that, or promises less."""
    return Finding(check, "fail", found, do)
