"""Restarts of foreign programs that died before their test began, counted for the end of the run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

PROPERTY: Final = "restart"
"""The name under which a test's report carries them, from each process of a run."""

_restarts: Final[list[tuple[str, int]]] = []


def record(program: str, code: int) -> None:
    """Counts a restart after an exit with `code`, for the test that is being run."""
    _restarts.append((program, code))


def taken() -> list[tuple[str, object]]:
    """The restarts since the last call, as properties of a test's report."""
    properties: list[tuple[str, object]] = [(PROPERTY, list(each)) for each in _restarts]
    _restarts.clear()
    return properties


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Returns the restarts of each program, with the tests before which and the exit codes after which they came."""
    by_program: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        if report.when != "teardown":
            continue  # each test has one of these, and it carries all of the test's properties
        for name, value in report.user_properties:
            if name == PROPERTY:
                assert isinstance(value, list)
                program, code = value
                by_program[program].append(f"  exit code {code}: {report.nodeid}")
    return [
        line
        for program, ends in sorted(by_program.items())
        for line in (f"{program}: started again, {len(ends)} in all", *ends)
    ]
