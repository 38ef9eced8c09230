"""`docs/guide.md`: each thing of the guide is here, and what it is called now exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from actors.state import documents
from gateway.app import OPERATIONS
from gateway.cli import reference
from gateway.cli.app import app
from supervision.jobs import JOBS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide.md").read_text()


def rows(section: str) -> list[list[str]]:
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert found, section
    return found


def code(cell: str) -> str:
    (found,) = re.findall(r"`([^`]+)`", cell)
    return str(found)


def command(words: list[str]) -> Any:
    """The command of these words; what is left of them are its arguments."""
    found: Any = get_command(app)
    for word in words:
        found = found.commands.get(word) if hasattr(found, "commands") else found
        assert found is not None, words
    assert not hasattr(found, "commands"), f"{words} names a group"
    return found


@pytest.mark.parametrize("row", rows("Components"), ids=lambda row: row[0])
def test_each_component_is_where_it_is_said_to_be(row: list[str]) -> None:
    assert (ROOT / code(row[2])).is_file()


@pytest.mark.parametrize("row", rows("Commands"), ids=lambda row: row[0])
def test_each_command_exists(row: list[str]) -> None:
    teimoso, *words = shlex.split(code(row[1]))
    assert teimoso == "teimoso"
    command(words)
    if words[:2] == ["jobs", "run"]:
        assert words[2] in JOBS


@pytest.mark.parametrize("row", rows("Endpoints"), ids=lambda row: row[0])
def test_each_endpoint_exists(row: list[str]) -> None:
    method, path = code(row[1]).split()
    assert (method, path) in {(one.method, one.path) for one in OPERATIONS}


@pytest.mark.parametrize("row", rows("Settings"), ids=lambda row: row[0])
def test_each_setting_exists(row: list[str]) -> None:
    assert code(row[1]) in reference.told()


@pytest.mark.parametrize("row", rows("Collections"), ids=lambda row: row[0])
def test_each_collection_exists(row: list[str]) -> None:
    there = [getattr(documents, name) for name in dir(documents) if name.isupper()]
    assert code(row[1]) in [one for one in there if isinstance(one, str)]


def test_a_command_that_is_not_there_is_noticed() -> None:
    with pytest.raises(AssertionError):
        command(["dance"])


def test_each_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in readme]
    assert not missing
