"""Processes of an instance, found by their marks and ended; all of them are real."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from supervision.keeper import process
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

STARTER = """
import os, time
for _ in range(400):
    os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
    time.sleep(0.005)
time.sleep(60)
"""


async def test_strays_that_start_others_meanwhile_end_too(tmp_path: Path) -> None:
    """A look at all processes of the host takes longer than a start, so that one look misses some."""
    process.start(tmp_path, "ray", process.CommandLine((sys.executable, "-c", STARTER)))
    try:
        until("it has started some", lambda: len(process.strays(tmp_path, "ray")) > 3, 20)
        killed = await process.end_strays(tmp_path, "ray")
        assert process.strays(tmp_path) == []
        assert len(killed) > 4
        assert len(set(killed)) == len(killed)
    finally:
        await process.end_strays(tmp_path)
