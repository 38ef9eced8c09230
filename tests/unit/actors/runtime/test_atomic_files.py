"""A small file is replaced as a whole or not at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_there_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_atomically(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\ud800")
    assert file.read_text() == "old"
    directory = tmp_path / "directory"
    directory.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(directory, "new")
    assert sorted(tmp_path.iterdir()) == [directory, file]
