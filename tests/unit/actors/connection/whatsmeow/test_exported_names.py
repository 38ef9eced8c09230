"""Each exported name of the program in Go has a comment that begins with it, as Go's documentation shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BRIDGE = Path(__file__).resolve().parents[5] / "actors/connection/whatsmeow/bridge"
FILES = sorted(each for each in BRIDGE.rglob("*.go") if not each.name.endswith("_test.go"))
_EXPORTED = re.compile(
    r"((?://.*\n)*)^(?:func (?:\(\w+ \*?[A-Z]\w*\) )?|type )([A-Z]\w*)", re.MULTILINE
)


def test_the_program_exports_names() -> None:
    assert sum(len(_EXPORTED.findall(each.read_text())) for each in FILES) > 100


@pytest.mark.parametrize("file", FILES, ids=lambda each: str(each.relative_to(BRIDGE)))
def test_an_exported_name_has_a_comment(file: Path) -> None:
    bare = [
        name
        for comment, name in _EXPORTED.findall(file.read_text())
        if not comment.startswith(f"// {name} ")
    ]
    assert bare == []
