"""The division of a run among processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.run.scheduling import APART, LAST, LINES, SCENARIOS, rank, scope, shares

ROOT = Path(__file__).resolve().parents[3]
STARTS = re.compile(r"\b(with Cluster|\w*Instance|Head)\(")
SHARED = 'scope="package"'
WHOLE = "tests/integration/whole/"
"""All of this folder uses the instance that its `conftest.py` starts."""


def test_what_starts_a_whole_instance_stands_in_a_line() -> None:
    files = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if (STARTS.search(file.read_text()) or WHOLE in str(file))
        and not {"benchmarks", "unit"} & set(file.relative_to(ROOT / "tests").parts)
    ]
    assert len(files) > 10
    assert [file for file in files if scope(f"{file}::test") == file] == []


def test_what_stands_apart_starts_none() -> None:
    apart = [
        file
        for place in APART
        for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    ]
    assert len(apart) >= len(APART)
    assert [file for file in apart if STARTS.search(file.read_text())] == []


def test_a_folder_that_shares_is_a_package() -> None:
    """A fixture of a folder that is none lasts until the run ends: an instance would compute beside all other tests."""
    shared = [file for file in (ROOT / "tests").rglob("conftest.py") if SHARED in file.read_text()]
    assert len(shared) > 3
    folders = [
        folder
        for file in shared
        for folder in file.relative_to(ROOT).parents
        if folder != Path() and not (ROOT / folder / "__init__.py").exists()
    ]
    assert folders == []


def test_what_is_named_is_there() -> None:
    for place in (*(each for line in LINES for each in line), *APART, *SCENARIOS, LAST):
        assert (ROOT / place).exists(), place


def test_a_line_is_one_and_what_is_apart_is_not_of_it() -> None:
    storm, clock = "tests/chaos/test_storm.py::test_a", "tests/chaos/test_clock.py::test_b[1-x::y]"
    assert scope(storm) == scope(clock)
    assert scope("tests/chaos/stores/test_firestore.py::test_a") != scope(storm)
    assert scope("tests/chaos/test_itself.py::test_a[b]") == "tests/chaos/test_itself.py"


def test_scenarios_are_run_by_two_processes() -> None:
    files = [
        f"{file.relative_to(ROOT)}" for file in (ROOT / "tests/conformance").rglob("test_*.py")
    ]
    scenarios = {file: scope(f"{file}::test") for file in files if file.startswith(SCENARIOS)}
    assert len(scenarios) > 10
    assert len(set(scenarios.values())) == 2
    others = [file for file in files if file not in scenarios]
    assert [scope(f"{file}::test") for file in others] == others


def test_lines_begin_and_what_is_short_ends() -> None:
    tests = [
        "tests/unit/test_layout.py::test_a",
        "tests/integration/queue/transitions/test_claim.py::test_a",
        "tests/integration/tree/paired/test_tree.py::test_a",
        "tests/chaos/test_keeper.py::test_a",
        "tests/chaos/stores/test_valkey.py::test_a",
        "tests/chaos/test_storm.py::test_a",
        "tests/integration/whole/messages/test_media.py::test_a",
        "tests/chaos/stores/test_firestore.py::test_a",
    ]
    assert sorted(tests, key=rank) == tests[::-1]


def test_seconds_of_each_process_and_each_line_are_printed() -> None:
    def report(test: str, process: str | None, start: float, stop: float) -> pytest.TestReport:
        made = pytest.TestReport(
            test, ("", 0, ""), {}, "passed", None, "call", (), stop - start, start, stop
        )
        if process is not None:
            vars(made)["worker_id"] = process
        return made

    storm, clock = (f"tests/chaos/test_{name}.py::test_a" for name in ("storm", "clock"))
    unit = "tests/unit/test_layout.py::test_a"
    told = shares(
        [
            report(storm, "gw0", 100, 160),
            report(clock, "gw0", 160, 190),
            report(unit, "gw1", 100, 110),
        ]
    )
    assert told == [
        "gw0: 90 s, idle for the last 0",
        "gw1: 10 s, idle for the last 80",
        f"{scope(storm)}: 90 s",
    ]
    assert shares([report(unit, None, 1, 2)]) == []
