from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from actors.runtime import host_identity
from supervision.keeper.ray_task import _is_astray
from supervision.reports import process_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("node", "shows", "astray"),
    [
        (host_identity.here(), False, False),  # it has only not said so yet
        ("far/1/2", True, False),  # the directory is shared
        ("far/1/2", False, True),
    ],
)
def test_a_root_that_writes_elsewhere(tmp_path: Path, node: str, shows: bool, astray: bool) -> None:
    if shows:
        root = process_files.ProcessEntry.of("root", os.getpid(), None, node)
        assert root is not None
        process_files.write(tmp_path, [root])
        process_files.beat(tmp_path)
    assert _is_astray(node, tmp_path) is astray
