"""Memory of an actor: its own and that of the programs that it started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from actors.runtime.actor_base import STATM, resident

HOLDS = 64 * 2**20

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="there is no /proc on this system")


def test_children_count() -> None:
    before = resident()
    program = f"held = b'x' * {HOLDS}; print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert resident() - before > HOLDS
    finally:
        child.communicate(b"\n")
    assert resident() - before < HOLDS
