"""Stops an instance: keeper, then gateway and actors, Ray, simulator, Valkey; kills processes that hang.

The keeper ends first, so that it restarts nothing; then the gateway, which accepts no more, and the actors, which
release their connections; then Ray, the simulator and, last, Valkey.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from supervision.keeper import process
from supervision.keeper.lock import DirectoryLock, Held
from supervision.keeper.manifest import Plan
from supervision.keeper.parts import python_module, ray_head
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from supervision.reports.process_files import ProcessEntry

STOPPING_MARK = "run/stopping"
"""A file that exists during a stop, so that no supervisor starts the instance again."""

ROLE_GRACE_SECONDS = {"gateway": 15.0, "ray": 6.0, "simulator": 8.0, "valkey": 20.0}
RAY_DRAIN_SECONDS = 40.0  # seconds, the loading of Ray included
KEEPER_GRACE = 10.0  # seconds for the end of the keeper


async def stop(data: Path, report: Callable[[str], None]) -> list[ProcessEntry]:
    """Stops the instance in `data`; returns the processes that were killed.

    `report` is called with each part before its stop. Raises `Held` while another stop is in progress.
    """
    mark = data / STOPPING_MARK
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    lock = await _take_over(data)
    try:
        killed = await _stop_all(data, report)
        forget(data)
    finally:
        lock.release()
    return killed


def stopping(data: Path) -> bool:
    """Returns whether a stop began and did not finish."""
    return (data / STOPPING_MARK).exists()


def forget(data: Path) -> None:
    """Removes the mark of an unfinished stop."""
    (data / STOPPING_MARK).unlink(missing_ok=True)


async def _take_over(data: Path) -> DirectoryLock:
    for entry in process_files.read(data, PROCESSES):
        if entry.role == "keeper":
            await process.stop([entry], KEEPER_GRACE)
    for _ in range(50):
        try:
            return DirectoryLock(data)
        except Held:
            await asyncio.sleep(0.1)
    return DirectoryLock(data)


async def _stop_all(data: Path, report: Callable[[str], None]) -> list[ProcessEntry]:
    running = {entry.role: entry for entry in process_files.read(data, PROCESSES)}
    killed: list[ProcessEntry] = []

    async def end(role: str) -> None:
        if role in running:
            report(role)
            left = await process.stop([running[role]], ROLE_GRACE_SECONDS[role])
            # Ray waits longer for its actors, which have released everything by now.
            killed.extend(entry for entry in left if role != "ray")

    await asyncio.gather(end("gateway"), _drain(data, report))
    await end("ray")
    await process.end_strays(data, "ray")
    ray_head.tidy(data)
    await end("simulator")
    await end("valkey")
    left = await process.end_strays(data)
    killed.extend(
        entry for entry in left if entry.role in ROLE_GRACE_SECONDS and entry.role != "ray"
    )
    process_files.write(data, (), PROCESSES)
    process_files.write(data, ())
    return killed


async def _drain(data: Path, report: Callable[[str], None]) -> None:
    if not any(entry.role == "root" for entry in process_files.read(data)):
        return
    report("root")
    plan = Plan.load(data)
    command = python_module.module(
        "supervision.keeper.ray_task",
        "stop",
        "--data",
        str(data),
        environment=ray_head.environment(data) if plan is None or plan.ray else None,
    )
    entry = process.start(data, process.RAY_TASK, command)
    try:
        async with asyncio.timeout(RAY_DRAIN_SECONDS):
            await process.ended(entry)
    except TimeoutError:
        process.send(entry, signal.SIGKILL)
