"""Causes and errors in `docs` are those of the engine, and links of `docs/real-account.md` lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.connection.disconnects.causes import Kind
from actors.health.health_texts import BY_HAND, CAUSES

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
    code = "".join(file.read_text() for file in (ROOT / "actors" / "connection").rglob("*.py"))
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
