"""Identifies the host of a process: two processes with one identity can see and signal each other by pid."""

from __future__ import annotations

import platform
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4


class Uptime(NamedTuple):
    """The boot of a host, and the seconds since then, those of its sleep among them; no clock that is set changes them."""

    boot: str
    seconds: float


def uptime() -> Uptime:
    """The boot of this host, and its age. Without ``/proc`` a boot is not known: then each process has its own."""
    return Uptime(boot(), time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


@cache
def boot() -> str:
    """The last boot of this host's kernel, from which uptimes and start times of processes count."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid4())


@cache
def here() -> str:
    """Equal for two processes exactly where each may use the other's pid.

    The name alone does not say so: containers may share it and have pids of their own, and after a
    boot every pid means another process.
    """
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return platform.node()
    return f"{platform.node()}/{boot()[:8]}/{namespace}"
