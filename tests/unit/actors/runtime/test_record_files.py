from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.runtime.record_files import RecordFile


@dataclass(frozen=True, slots=True)
class Berth:
    number: int
    ship: str | None
    depth: float = 4.0


FILE = RecordFile(Berth, Path("run") / "berths.json")
BERTHS = [Berth(1, None), Berth(2, "Alma", 6.5)]


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert FILE.read(tmp_path) == []
    FILE.write(tmp_path, BERTHS)
    FILE.write(tmp_path, reversed(BERTHS), synced=False)
    assert FILE.read(tmp_path) == BERTHS[::-1]


def test_defaults_are_left_out(tmp_path: Path) -> None:
    """A reader of an older release knows no field that was added with a default and is not used."""
    FILE.write(tmp_path, BERTHS)
    assert json.loads((tmp_path / FILE.path).read_text()) == [
        {"number": 1, "ship": None},
        {"number": 2, "ship": "Alma", "depth": 6.5},
    ]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", "null", '[{"number": 1}]', '[{"number": 1, "ship": "Alma", "mast": 2}]'],
)
def test_a_damaged_file_and_that_of_another_release_are_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / FILE.path).write_text(content)
    assert FILE.read(tmp_path) == []
