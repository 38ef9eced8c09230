"""Processes of an instance, found by their marks and ended; all of them are real."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psutil

from supervision.keeper import process
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

STARTER = """
import os, time
for _ in range(400):
    os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
    time.sleep(0.005)
time.sleep(60)
"""

LEADERLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""Its first thread ends and another goes on, as for a moment in each process with threads that ends."""


async def test_a_child_is_over_once_it_is_reaped(tmp_path: Path) -> None:
    """One that was killed leaves no zombie behind, and `outcome` always has its status."""
    command = process.CommandLine((sys.executable, "-c", LEADERLESS))
    entry = process.start(tmp_path, "ray", command)
    child = psutil.Process(entry.pid)
    try:
        until("its first thread ended", lambda: child.status() == psutil.STATUS_ZOMBIE, 20)
        assert not process.is_over(entry)
    finally:
        await process.kill([entry])
    assert not child.is_running()


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
