"""A gateway whose event loop notes rounds that take much processor time; run as a program, it is that gateway."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn.config

from gateway.__main__ import main
from tests.integration.gateway.served import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable

NOTED_SECONDS: Final = 0.02
"""Processor time from which on a round is noted."""


class TimedLoop(asyncio.SelectorEventLoop):
    """Writes the processor time of its thread, in seconds, that a long round took; a busy machine adds none.

    It is Python's own: the rounds of the loop that a gateway has otherwise cannot be measured.
    """

    def __init__(self, rounds: Path) -> None:
        super().__init__()
        self._rounds = os.open(rounds, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def _run_once(self) -> None:
        before = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        seconds = time.thread_time() - before
        if seconds >= NOTED_SECONDS:
            os.write(self._rounds, f"{seconds:.3f}\n".encode())


class TimedGateway(Gateway):
    """Starts this program in place of `python -m gateway`."""

    program = __name__
    _read = 0

    def longest_round(self, call: Callable[[], Any]) -> float:
        """Return the processor time, in seconds, of the longest round of the loop since the last call; 0 for short ones."""
        call()
        self.api.get("/health/live").raise_for_status()  # the round of the last answer is over
        with (self.data / "rounds").open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        self._read += len(lines)
        return max(map(float, lines.split()), default=0.0)


def timed_loop(*, use_subprocess: bool = False) -> Callable[[], TimedLoop]:
    """The factory of the loop, as uvicorn asks for it."""
    del use_subprocess
    return lambda: TimedLoop(Path(sys.argv[sys.argv.index("--data") + 1]) / "rounds")


if __name__ == "__main__":
    uvicorn.config.LOOP_FACTORIES["uvloop"] = (
        "tests.integration.gateway.hostile.timed_gateway:timed_loop"
    )
    sys.exit(main())
