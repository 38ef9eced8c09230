"""One keeper a data directory, and no lock that outlives its holder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.lock import DirectoryLock, Held, held

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, subprocess
from pathlib import Path
from supervision.keeper.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin)
print(child.pid, flush=True)
child.wait()
"""


def test_the_second_is_refused_with_a_sentence(tmp_path: Path) -> None:
    assert not held(tmp_path)
    with DirectoryLock(tmp_path):
        assert held(tmp_path)
        with pytest.raises(Held, match="Another keeper has the data directory"):
            DirectoryLock(tmp_path)
    assert not held(tmp_path)


def test_it_dies_with_its_holder_and_is_not_inherited(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip().isdigit()
        assert held(tmp_path)
        holder.kill()
        holder.wait()
        assert not held(tmp_path)  # although the holder's child still lives
    finally:
        holder.kill()
        holder.communicate()  # closes the child's stdin, which ends it
