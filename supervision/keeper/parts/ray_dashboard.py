"""Opens the dashboard of the instance's own Ray head where it waits, and waits until it takes jobs."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final

from supervision.keeper.parts import probe, ray_head

if TYPE_CHECKING:
    from pathlib import Path

    from supervision.keeper.manifest import Plan

PATIENCE: Final = 60.0
"""Seconds that the dashboard has to answer."""

WAITING: Final = "*.waiting"
"""The FIFOs at which `waiting_agent.sh` waits, in the directory of Ray's session."""

JOB_PORTS: Final = ("ray_dashboard", "ray_agent", "ray_runtime_env")
"""Ports of the dashboard and of the agents that run a job."""


class DashboardAway(Exception):
    """The dashboard does not answer: no head runs here, or its processes did not start."""


def url(plan: Plan) -> str:
    """Returns the address of the dashboard, whether it is open or not."""
    return f"http://127.0.0.1:{plan.ports['ray_dashboard']}"


def waits(data: Path) -> bool:
    """Returns whether the dashboard of a running head waits to be opened."""
    return any((ray_head.temporary(data) / "session_latest").glob(WAITING))


async def open_dashboard(data: Path, plan: Plan) -> str:
    """Opens the dashboard and its agents, until the instance stops; returns its URL. Raises `DashboardAway`."""
    port = plan.ports["ray_dashboard"]
    for fifo in (ray_head.temporary(data) / "session_latest").glob(WAITING):
        await asyncio.to_thread(_write, fifo, f"{port}\n")
    deadline = time.monotonic() + PATIENCE
    while not await _is_open(plan):
        if time.monotonic() > deadline or not await probe.accepts(plan.ports["ray_gcs"]):
            raise DashboardAway(f"Ray's dashboard does not answer at {url(plan)}")
        await asyncio.sleep(0.2)
    return url(plan)


async def _is_open(plan: Plan) -> bool:
    for name in JOB_PORTS:
        if not await probe.accepts(plan.ports[name]):
            return False
    return await probe.get(plan.ports["ray_dashboard"], "/api/version") is not None


def _write(fifo: Path, text: str) -> None:
    """Writes to a FIFO with a reader; does nothing where another caller was first, or the reader is dead."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
