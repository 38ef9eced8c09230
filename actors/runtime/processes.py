"""Checks this host's processes by pid, and kills processes of actors by SIGKILL, without Ray's help."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime import host_identity

if TYPE_CHECKING:
    from actors.redis.leases.leases import Lease

RAY_TITLE_PREFIX = "ray::"
"""The beginning of the titles that Ray gives the processes of its actors."""

PROCESS_POLL_SECONDS = 0.01


def is_actor(pid: int) -> bool:
    """Whether `pid` is the process of some actor; a pid may have been given to a stranger."""
    import psutil  # noqa: PLC0415 - heavy, and seldom needed

    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return bool(words) and words[0].startswith(RAY_TITLE_PREFIX) and start_of(pid) is not None


def kill(pid: int) -> bool:
    """SIGKILL, which also ends a stopped process; False when there is no such actor."""
    if not is_actor(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end(pid: int, started: str, within: float) -> bool:
    """Kill the actor that had `pid` and `started` as `start_of` gave it; whether it is certainly gone after `within` seconds.

    A process that started at another moment is another one: the pid was given away again. No clock has a part in that.
    """
    if start_of(pid) != started:
        return True
    deadline = time.monotonic() + within
    if not kill(pid):
        return True
    while start_of(pid) == started:
        if time.monotonic() > deadline:
            return False
        time.sleep(PROCESS_POLL_SECONDS)
    return True


def start_of(pid: int) -> str | None:
    """The start time of the process `pid`, opaque; ``None`` when it is gone or a zombie.

    On Linux the kernel's own ticks since boot, since a wall-clock time moves when the clock is set. Without the boot
    a pid and its ticks could come again.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        # the command's name may hold spaces and brackets: fields are counted from its last bracket
        fields = stat.read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _start_elsewhere(pid)
    return None if fields[0] in "ZX" else f"{host_identity.boot()[:8]}:{fields[19]}"


def reachable(lease: Lease) -> bool:
    """Whether the lease's owner ran on this host."""
    return lease.owner is not None and is_here(lease.owner.node)


def is_here(node: str) -> bool:
    """Whether `node` is this host, as `host_identity.here` names it."""
    return node == host_identity.here()


def _start_elsewhere(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - only where there is no /proc

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
