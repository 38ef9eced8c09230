"""Runs of a child program that dies at each of its steps in turn."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[2]
FEWEST = 20
"""Fewer steps would say that the steps were not reached."""


def log_to_stderr() -> None:
    """Have the program's logs on standard error: on standard output are its steps."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


async def kill_at_each_step(program: str, *arguments: str | Path, seconds: float) -> int:
    """Runs a program until its last step; returns the number of steps at which a process died.

    The program prints a line for each step: its number, the exit code of the process that died there, and the
    exit code of the one that went on. Raises AssertionError for any other line, with the program's errors.
    """
    lives = await asyncio.create_subprocess_exec(
        *(sys.executable, program, *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            shown, errors = await lives.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(lives.pid, signal.SIGKILL)
        await lives.wait()
    lines = [tuple(map(int, line.split())) for line in shown.decode().splitlines()]
    deaths = len(lines) - 1
    expected = [(at, -signal.SIGKILL, 0) for at in range(1, deaths + 1)]
    assert lines == [*expected, (deaths + 1, 0, 0)], errors.decode()[-3000:]
    assert deaths > FEWEST, "too few steps were died at"
    print(f"killed at {deaths} steps")
    return deaths
