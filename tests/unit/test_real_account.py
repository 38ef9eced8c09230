"""`docs/real-account.md` tells of each cause and of no other, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.connection.ends.causes import Kind
from actors.health.sentences import BY_HAND, CAUSES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "real-account.md").read_text()
SHOWN = {*CAUSES, *BY_HAND, *map(str, Kind)} - {"closed", "disk_full"}
"""Causes that a connection may be shown with: `closed` is the end that was asked for, and a full disk
has nothing to do with the account."""


def rows(heading: str) -> list[str]:
    """The first cell of each row below a heading."""
    below = PAGE.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    return re.findall(r"^\| (`[^|]+) \|", below, re.MULTILINE)


def test_each_cause_is_explained() -> None:
    told = {word for cell in rows("## Causes") for word in re.findall(r"`(\w+)`", cell)}
    assert told == SHOWN


def test_errors_are_those_of_the_engine() -> None:
    told = {
        word
        for cell in rows("### Messages that are refused")
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
