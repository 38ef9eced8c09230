"""Ending processes of this machine by pid, where Ray would be slow or does not know them."""

from __future__ import annotations

import os
import platform
import signal
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from actors.redis.lease import Lease

MARK = "ray::"
"""How Ray titles the processes of its actors."""


def is_actor(pid: int) -> bool:
    """Whether `pid` is the process of some actor; a pid may have been given to a stranger."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        return bool(words) and words[0].startswith(MARK) and _lives(process)
    except psutil.Error:
        return False


def kill(pid: int) -> bool:
    """SIGKILL, which also ends a stopped process; False when there is no such actor."""
    if not is_actor(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return _lives(psutil.Process(pid))
    except psutil.Error:
        return False


def old_owner(lease: Lease, mine: set[int]) -> int | None:
    """The pid of the lease's owner, if its process still lives on this machine.

    `mine` are pids known to be others. A process that began after the lease was last written is
    not the one that took it: the pid was given away again.
    """
    owner = lease.owner
    if owner is None or owner.node != platform.node() or owner.pid in mine:
        return None
    if not is_actor(owner.pid):
        return None
    try:
        began = psutil.Process(owner.pid).create_time()
    except psutil.Error:
        return None
    return owner.pid if began <= lease.since + 1 else None


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
