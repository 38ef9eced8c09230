"""The division of a run among processes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.run.scheduling import APART, LAST, LINES, SCENARIOS, scope

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
