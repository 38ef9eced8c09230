"""A damaged session is moved, whole, and never over another one."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.quarantine import move_aside

if TYPE_CHECKING:
    from pathlib import Path


def parts(place: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in place.iterdir()}


def test_all_parts_are_moved_and_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "session.db"
    content = {"session.db": "main", "session.db-wal": "log", "session.db-shm": "index"}
    for name, text in content.items():
        file.with_name(name).write_text(text)
    place = move_aside(file, 7, now=0.0)
    assert place == tmp_path / "damaged" / "19700101T000000Z-7"
    assert parts(place) == content
    assert list(tmp_path.iterdir()) == [tmp_path / "damaged"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_the_next_one_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "session.db"
    for epoch in (7, 8):
        file.write_text(str(epoch))
        move_aside(file, epoch, now=0.0)
    kept = sorted((tmp_path / "damaged").glob("*/session.db"))
    assert [each.read_text() for each in kept] == ["7", "8"]


def test_what_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    """The main file goes last: while it is there, the session still counts as damaged."""
    file = tmp_path / "session.db"
    file.write_text("main")
    (tmp_path / "damaged").write_text("in the way")
    with pytest.raises(OSError, match="damaged"):
        move_aside(file, 7)
    assert file.read_text() == "main"
    (tmp_path / "damaged").unlink()
    assert parts(move_aside(file, 8)) == {"session.db": "main"}
