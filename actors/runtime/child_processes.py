"""Measures memory and processor time of the programs that this process started, from /proc (Linux only)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A child that runs: `memory` in resident bytes, `cpu` and `age` in seconds.

    `started` is in ticks since boot: with the pid it names one process.
    """

    pid: int
    started: int
    memory: int
    cpu: float
    age: float


def running() -> list[ChildProcess]:
    """Return the children of this process, of all its threads; zombies are none."""
    found: list[ChildProcess] = []
    with suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # the thread ended meanwhile
                for pid in (task / "children").read_text().split():
                    program = _read(int(pid))
                    found += [] if program is None else [program]
    return found


def _read(pid: int) -> ChildProcess | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name may hold spaces and brackets: fields are counted from its last bracket (proc(5)).
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    started = int(fields[19])
    return ChildProcess(
        pid,
        started,
        memory=int(fields[21]) * _PAGE,
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        age=max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / _TICKS),
    )


class ProcessorTime:
    """Seconds of processor time of every program that this process started; the sum only rises.

    Time that a program used after the last look at it is not counted.
    """

    def __init__(self) -> None:
        self._ended = 0.0
        self._seen: dict[tuple[int, int], float] = {}

    def add(self, programs: Sequence[ChildProcess]) -> float:
        """Take in those that run now; return the sum."""
        now = {(one.pid, one.started): one.cpu for one in programs}
        self._ended += sum(cpu for key, cpu in self._seen.items() if key not in now)
        self._seen = now
        return self._ended + sum(now.values())
