"""The alert of an old library: where a newer one is known, and where nobody can know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.health.checks import judge
from actors.health.engine_look import OLD, EngineLook, made_at, old
from tests.unit.actors.health.well import THRESHOLDS, WELL

if TYPE_CHECKING:
    from pathlib import Path

USED, NEWER, OLDER = (
    f"v0.0.0-{day}121126-35ae40906e74" for day in ("20260921", "20261001", "20260801")
)
MADE = made_at(USED)
assert MADE is not None
LATER = MADE.timestamp() + OLD + 1
LOOK = EngineLook(LATER, USED)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (replace(LOOK, newest=NEWER), "and there is one of 2026-10-01: `teimoso engine try` moves"),
        (
            replace(LOOK, newest=NEWER, refused=NEWER, why="its program died."),
            "A connection returned from it: its program died.",
        ),
        (replace(LOOK, newest=NEWER, refused=OLDER, why="x"), "`teimoso engine try` moves to it."),
        (
            replace(LOOK, unknown="403 Forbidden"),
            "nobody here can know whether there is a newer one: 403",
        ),
        (replace(LOOK, newest=USED), None),
        (replace(LOOK, newest=OLDER), None),
        (replace(LOOK, used="unknown", newest=NEWER), None),
    ],
)
def test_an_old_library_is_an_alert_unless_it_is_the_newest(
    look: EngineLook, words: str | None
) -> None:
    assert old(look, LATER - 1) is None, "it is 30 days old, and not older"
    found = old(look, LATER)
    assert (found is None) == (words is None)
    assert (words or "") in (found or "")
    reasons = judge(replace(WELL, at=LATER, engine=look), THRESHOLDS).reasons
    assert [one.detail for one in reasons if one.name == "engine_old"] == ([found] if found else [])


def test_the_last_look_is_read_back(tmp_path: Path) -> None:
    assert EngineLook.read(tmp_path) is None
    for look in (replace(LOOK, newest=NEWER), replace(LOOK, unknown="no Go")):
        look.write(tmp_path)
        assert EngineLook.read(tmp_path) == look
