"""Ending processes of this host by pid, where Ray would be slow or does not know them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from actors.runtime import hosts

if TYPE_CHECKING:
    import psutil

    from actors.redis.leases import Lease

MARK = "ray::"
"""How Ray titles the processes of its actors."""

LOOK = 0.01


def is_actor(pid: int) -> bool:
    """Whether `pid` is the process of some actor; a pid may have been given to a stranger."""
    return _actor(pid) is not None


def kill(pid: int) -> bool:
    """SIGKILL, which also ends a stopped process; False when there is no such actor."""
    if not is_actor(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def end(pid: int, since: float, within: float) -> bool:
    """Kill the actor that had `pid` at `since`; whether it is certainly gone after `within` seconds.

    `since` is seconds since the epoch by the clock of this host, where the pid has to mean
    something. A process that began later is another one: the pid was given away again.
    """
    process = _actor(pid)
    if process is None or process.create_time() > since + 1:
        return True
    deadline = time.monotonic() + within
    kill(pid)
    while _lives(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK)
    return True


def reachable(lease: Lease) -> bool:
    """Whether the lease's owner ran on this host."""
    return lease.owner is not None and lease.owner.node == hosts.here()


def _actor(pid: int) -> psutil.Process | None:
    import psutil  # noqa: PLC0415 - heavy, and seldom needed

    try:
        process = psutil.Process(pid)
        words = process.cmdline()
    except psutil.Error:
        return None
    return process if words and words[0].startswith(MARK) and _lives(process) else None


def _lives(process: psutil.Process) -> bool:
    import psutil  # noqa: PLC0415 - heavy, and seldom needed

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
