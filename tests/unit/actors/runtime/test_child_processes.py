"""Memory and processor time of the programs that a process started, and an actor's own share beside it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.runtime import child_processes
from actors.runtime.actor_base import STATM, Shell
from actors.runtime.child_processes import ChildProcess, ProcessorTime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDS, USES = 64 * 2**20, 0.2
WORK = f"""
import time
held = b"x" * {HOLDS}
while time.process_time() < {USES}:
    pass
print(flush=True)
input()
"""

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="there is no /proc on this system")


@contextmanager
def working() -> Iterator[int]:
    """A child that has used its time and holds its memory; its pid."""
    child = subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
    finally:
        child.communicate(b"\n")


def of_programs(health: dict[str, Any], name: str) -> float:
    """Returns an actor's figure of its programs; this process may have others than the test's."""
    told = (*health["gauges"], *health["measures"])
    return sum(
        value for each, labels, value in told if (each, labels) == (name, {"role": "program"})
    )


async def test_a_program_is_shown_beside_its_actor(tmp_path: Path) -> None:
    shell = Shell(str(tmp_path), "connection:a")
    before = await shell.health()
    with working() as pid:
        (program,) = (one for one in child_processes.running() if one.pid == pid)
        during = await shell.health()
    after = await shell.health()
    assert program.memory > HOLDS
    assert USES / 2 < program.cpu <= program.age + 0.1 < 60
    assert during["memory"] - during["own_memory"] > HOLDS
    assert abs(during["own_memory"] - before["own_memory"]) < HOLDS
    assert after["memory"] - after["own_memory"] < during["memory"] - during["own_memory"] - HOLDS
    memory, cpu = "teimoso_process_memory_bytes", "teimoso_process_cpu_seconds"
    assert of_programs(during, memory) - of_programs(before, memory) > HOLDS
    assert of_programs(during, "teimoso_process_uptime_seconds") > 0
    spent = of_programs(during, cpu) - of_programs(before, cpu)
    assert spent == pytest.approx(program.cpu, abs=0.1)
    assert of_programs(after, cpu) >= of_programs(during, cpu), "it is forgotten with its end"
    assert pid not in [one.pid for one in child_processes.running()]


def test_processor_time_of_programs_only_rises() -> None:
    spent = ProcessorTime()
    assert spent.add([]) == 0
    assert spent.add([ChildProcess(7, 1, 0, 2.0, 9.0)]) == 2
    assert spent.add([ChildProcess(7, 1, 0, 3.0, 9.0)]) == 3
    # Another one, also under the same pid, begins at 0.
    assert spent.add([ChildProcess(7, 2, 0, 0.5, 1.0)]) == 3.5
    assert spent.add([]) == 3.5
    assert spent.add([ChildProcess(8, 3, 0, 1.0, 1.0), ChildProcess(9, 3, 0, 1.0, 1.0)]) == 5.5
