"""Scratch files beside a file: cleared when their writer is gone, and only then."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from actors.runtime.atomic_files import begin_scratch, clear_scratch

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = re.compile(r"a\.rdb")


def test_what_is_being_written_stays_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    target = tmp_path / "a.rdb"
    descriptor, scratch = begin_scratch(target)
    with pytest.raises(FileExistsError):
        begin_scratch(target)
    kept = [target, tmp_path / ".ba.rdb.1", tmp_path / ".a.rdb.x", tmp_path / ".a.rdb"]
    for file in kept:
        file.touch()
    assert clear_scratch(tmp_path, TARGETS) == 0
    os.close(descriptor)
    assert clear_scratch(tmp_path, TARGETS) == 1
    assert not scratch.exists()
    assert all(file.exists() for file in kept)
