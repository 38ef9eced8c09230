"""`docs/whatsmeow-protocol.md` names the requests that the program answers, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]
PAGE = (ROOT / "docs" / "whatsmeow-protocol.md").read_text()
BRIDGE = ROOT / "actors" / "connection" / "whatsmeow" / "bridge"


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def functions(*, tests: bool) -> dict[str, str]:
    """The program's functions, each with its folder; those of its tests alone, or all others."""
    return {
        name: file.parent.name
        for file in BRIDGE.rglob("*.go")
        if file.name.endswith("_test.go") is tests
        for name in re.findall(r"^func (?:\([^)]*\) )?(\w+)", file.read_text(), re.MULTILINE)
    }


def test_each_test_of_a_hole_is_there() -> None:
    """Those with a folder before them are of that folder, all others of `tests`."""
    holes = section("Holes of the library, and the tests of each")
    there = functions(tests=True)
    named = set(re.findall(r"`(Test\w+)`", holes))
    assert len(named) > 50
    assert named - there.keys() == set()
    for folder, name in re.findall(r"`(\w+)`: `(Test\w+)`", holes):
        assert there[name] == folder
    stock = {name for name in there if name.startswith("TestStock")}
    assert stock - named == set(), "a hole that is shown has its row"


def test_a_pairing_brings_the_fields_that_the_actor_reads() -> None:
    """They are those of the page, and nothing goes over the pipe that nobody reads."""
    source = (BRIDGE / "engine" / "pairing.go").read_text()
    (event,) = re.findall(r'Tell\("paired", pipe\.Fields\{(.*?)\}, nil\)', source, re.DOTALL)
    fields = re.findall(r'"(\w+)":', event)
    events = section("Events of the program")
    assert re.findall(r"^\| `paired` \| (.*) \|$", events, re.MULTILINE) == [", ".join(fields)]
    reader = (BRIDGE.parent / "stored_account.py").read_text()
    assert [name for name in fields if f'report.get("{name}")' not in reader] == []


def test_the_requests_are_those_that_the_program_answers() -> None:
    requests = section("Requests of the actor")
    named = re.findall(r"^\| (\w+) \|", requests, re.MULTILINE)[1:]  # the first row is the head
    source = (BRIDGE / "engine" / "requests.go").read_text()
    answered = set(re.findall(r'^\t\t"(\w+)": ', source, re.MULTILINE))
    answered |= set(re.findall(r'handlers\["(\w+)"\] = ', source)) | {"close"}
    assert len(named) == len(set(named))
    assert set(named) == answered
