"""Causes and errors in `docs` are those of the engine, and links of `docs/real-account.md` lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from actors.connection.disconnects.causes import Kind
from actors.health.health_texts import BY_HAND, CAUSES
from actors.runtime.limits.account_pace import PACE_STEPS
from gateway.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "real-account.md").read_text()
SHOWN = {*CAUSES, *BY_HAND, *map(str, Kind), "lease_expired"} - {"closed"}
"""Causes that a connection may be shown with: `closed` is the end that was asked for, and the lease keeper
reports `lease_expired`."""


def rows(page: str, heading: str) -> list[str]:
    """The first cell of each row below a heading."""
    below = page.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    return re.findall(r"^\| (`[^|]+) \|", below, re.MULTILINE)


def causes(page: str, heading: str) -> set[str]:
    """The causes that rows begin with: those before a colon."""
    return {
        word
        for cell in rows(page, heading)
        for word in re.findall(r"`(\w+)`", cell.partition(": ")[0])
    }


def test_each_cause_is_explained() -> None:
    explained = causes((DOCS / "architecture.md").read_text(), "## Why a connection is closed")
    assert explained == SHOWN
    assert causes(PAGE, "## Causes") < explained


def test_errors_are_those_of_the_engine() -> None:
    told = {
        word
        for cell in rows(PAGE, "### Messages that are refused")
        for word in re.findall(r"`(\w+)`", cell)
    }
    files = (ROOT / "actors" / "connection").rglob("*")
    code = "".join(file.read_text() for file in files if file.suffix in (".py", ".go"))
    refused = {word for word in told if re.fullmatch(r"refused_\d{3}", word)}
    assert len(refused) >= 3
    assert 'f"refused_{code}"' in code
    assert [word for word in sorted(told - refused) if f'"{word}"' not in code] == []


@pytest.mark.parametrize("name", ["real-account.md", "trace.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = ROOT / "docs" / (file or name)
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            made = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in made, link


SECTION = "Real WhatsApp in five minutes"


def test_the_readmes_first_screen_leads_to_the_five_minutes() -> None:
    first = (ROOT / "README.md").read_text().split("\n## ", 1)[0]
    assert "](docs/real-account.md#real-whatsapp-in-five-minutes)" in first
    assert f"\n## {SECTION}\n" in PAGE


def test_the_commands_of_the_five_minutes_are_commands() -> None:
    """Two lines at the head of the page link an account."""
    first = PAGE.split("\n## ", 1)[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", first, re.MULTILINE | re.DOTALL)
    assert len(block.splitlines()) == 2
    section = PAGE.split(f"## {SECTION}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^   (teimoso .+)$", section, re.MULTILINE)
    lines += re.findall(r"(teimoso [^&\n]+?) *(?:&&|$)", block, re.MULTILINE)
    assert len(lines) == 8
    for line in lines:
        command: Any = typer.main.get_command(app)
        _, *words = shlex.split(line)
        while (commands := getattr(command, "commands", None)) is not None:
            command = commands[words.pop(0)]
        command.make_context(line, words)  # raises for an option or argument that it has not


def test_the_steps_of_a_new_account_are_those_of_the_code() -> None:
    table = PAGE.split("| days since it was linked |", 1)[1].split("\n\n", 1)[0]
    shown = re.findall(r"^\| (\d+) to (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", table, re.MULTILINE)
    first_days = [1, *(each.last_day + 1 for each in PACE_STEPS[:-1])]
    assert [tuple(map(int, row)) for row in shown] == [
        (first, *each) for first, each in zip(first_days, PACE_STEPS, strict=True)
    ]
    assert f"| from {PACE_STEPS[-1].last_day + 1} on |" in table
