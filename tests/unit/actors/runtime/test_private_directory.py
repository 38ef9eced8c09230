"""A directory is its user's alone afterwards, or the reason is raised."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from actors.runtime.private_directory import make_private

if TYPE_CHECKING:
    from pathlib import Path


def mode(directory: Path) -> int:
    return directory.stat().st_mode & 0o7777


@pytest.mark.parametrize("before", [None, 0o700, 0o755, 0o777, 0o1777])
def test_only_its_user_enters(tmp_path: Path, before: int | None) -> None:
    directory = tmp_path / "new" / "data"
    if before is not None:
        directory.mkdir(parents=True)
        directory.chmod(before)
        (directory / "kept").touch()
    make_private(directory)
    assert mode(directory) == 0o700
    assert (directory / "kept").exists() == (before is not None)


def test_a_link_is_refused(tmp_path: Path) -> None:
    """Its maker may lead it elsewhere later."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "link")
    assert mode(tmp_path / "own") == 0o755


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's directory needs root")
@pytest.mark.parametrize("rights", [0o700, 0o777])
def test_another_users_is_refused(tmp_path: Path, rights: int) -> None:
    """They may have made it first, where all may write."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    directory.chmod(rights)
    os.chown(directory, 65_534, 65_534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        make_private(directory)
    assert (mode(directory), directory.stat().st_uid) == (rights, 65_534)
