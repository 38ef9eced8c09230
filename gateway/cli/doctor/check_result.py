"""Defines the result of a `teimoso doctor` check: status, finding and remedy, in sentences for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class CheckResult:
    """`found` and `do` are sentences for a person; no secret is in them. `check` is a stable name."""

    check: str
    result: Result
    found: str
    do: str | None = None


def ok(check: str, found: str) -> CheckResult:
    """As it should be."""
    return CheckResult(check, "ok", found)


def warn(check: str, found: str, do: str | None = None) -> CheckResult:
    """It runs, and less well than it could."""
    return CheckResult(check, "warn", found, do)


def fail(check: str, found: str, do: str) -> CheckResult:
    """It does not run like that, or promises less."""
    return CheckResult(check, "fail", found, do)
