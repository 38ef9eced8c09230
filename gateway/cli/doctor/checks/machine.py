"""Checks this machine for `teimoso doctor`: Python, Ray, disk, ports, file limit, clock, data directory."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from actors.runtime.limits.disk_floor import free_bytes
from gateway.cli.doctor.check_result import fail, ok, warn
from gateway.cli.doctor.checks.clocks import jump
from gateway.cli.instance.preparation import (
    CannotStart,
    check_authorities,
    could_be_made,
    exists,
    make_directory,
)
from supervision.keeper import lock
from supervision.keeper.parts import ports, ray_head
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.keeper.parts.valkey import NoServer, binary
from supervision.reports import process_files

if TYPE_CHECKING:
    from gateway.cli.doctor.check_result import CheckResult

SCARCE_DISK_BYTES, FULL_DISK_BYTES = 1 << 30, 100 << 20
"""Bytes of disk below which it is called scarce, and below which it will not last the day."""

FILES = 1024
"""Files that a process may have open, at least: each of a program's requests takes one."""

KEEPER_LIST_SECONDS = 5.0  # seconds that a keeper has to list itself once it has the directory
YEAR = 2025  # a clock before it is not set: WhatsApp's certificates and timestamps need a right one
RAY_RELEASE = "2.60."
MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs"})
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - it is asked for its size alone


def python() -> CheckResult:
    """Whether Python is 3.11 or newer."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    if good:
        return ok("python", version)
    return fail("python", f"{version}; 3.11 or newer is needed", "`make setup PYTHON=…`")


def ray() -> CheckResult:
    """Whether the Ray that would be loaded is the one that this was measured with."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        version = "none"
    if version.startswith(RAY_RELEASE):
        return ok("ray version", version)
    return fail(
        "ray version",
        f"{version}; {RAY_RELEASE}x is needed",
        "`make setup` installs it; take others off PYTHONPATH",
    )


def files() -> CheckResult:
    """Whether a process may have as many files open as a few hundred requests need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return ok("open files", f"a process may have {soft}")
    return fail(
        "open files",
        f"a process may have {soft}, which a few hundred requests use up",
        f"`ulimit -n {min(hard, 65_536) if hard > 0 else 65_536}` before `teimoso up`;"
        " LimitNOFILE= in a unit has it already",
    )


def shared_memory() -> CheckResult:
    """Ray keeps its objects there; without room it keeps them in /tmp, and is slower."""
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return ok("shared memory", f"there is no {SHARED_MEMORY}")
    if free > ray_head.OBJECT_STORE * 1.05:
        return ok("shared memory", f"{free >> 20} MiB free in {SHARED_MEMORY}")
    return warn(
        "shared memory",
        f"{free >> 20} MiB free in {SHARED_MEMORY}, less than Ray wants ({ray_head.OBJECT_STORE >> 20})",
        "a container gets more by --shm-size=128m",
    )


def directory(data: Path) -> CheckResult:
    """Whether the data directory can be made or written, on a file system that outlives the machine."""
    name = "data directory"
    if not exists(data):
        reason = could_be_made(data)
        if reason is not None:
            return fail(name, reason, "another --data, or let the user of the service write there")
    else:
        try:
            make_directory(data)
        except CannotStart as error:
            return fail(
                name, str(error), "`chown` it to the user of the service, or another --data"
            )
    kind = _file_system(_there(data))
    if kind in MEMORY_FILE_SYSTEMS:
        return fail(
            name,
            f"{data} is on a {kind}: all of it is gone when the machine restarts",
            "move it to a disk; in a container mount a volume there",
        )
    if not exists(data):
        return warn(name, f"{data} does not exist yet")
    return ok(name, f"{data} can be written")


def authorities(data: Path) -> CheckResult:
    """Certificate authorities by which servers of HTTPS are checked: webhooks, media, Firestore."""
    name = "authorities"
    try:
        check_authorities(data)
    except CannotStart as error:
        return fail(name, str(error), "name a PEM file of all that are to be trusted, or unset it")
    given = os.environ.get("SSL_CERT_FILE")
    return ok(name, f"those of {given}" if given else "the public ones")


def disk(data: Path) -> CheckResult:
    """Whether the file system of the data directory has room for a day at least."""
    free = free_bytes(_there(data))
    words = f"{free / (1 << 30):.1f} GiB free, also by its inodes"
    room = "make room: `logs/` may go at any time, and MEDIA_RETENTION_DAYS can be less"
    if free < FULL_DISK_BYTES:
        return fail("disk", f"{free >> 20} MiB free: soon nothing more is accepted", room)
    return ok("disk", words) if free >= SCARCE_DISK_BYTES else warn("disk", words, room)


def clock(data: Path) -> CheckResult:
    """Whether the clock was set, and is believed: certificates and timestamps of WhatsApp need a right one."""
    now = time.gmtime()
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
    if now.tm_year < YEAR:
        return fail("clock", shown, "set it: `timedatectl set-ntp true`")
    return jump(data) or ok("clock", shown)


def valkey() -> CheckResult:
    """Whether the server is there that is started where the settings name no Redis."""
    try:
        found = binary()
    except NoServer as error:
        return warn("embedded valkey", str(error))
    if os.access(found, os.X_OK):
        return ok("embedded valkey", str(found))
    return fail("embedded valkey", f"{found} cannot be executed", "`make setup` anew")


def port(host: str, number: int, *, runs: bool) -> CheckResult:
    """Whether the port of the API is free, or with `runs` the own one of the instance."""
    where = f"{host}:{number}"
    hindrance = None if runs else ports.hindrance(number, host)
    if hindrance == errno.EADDRINUSE:
        return fail(
            "port",
            f"{where} is in use by something else",
            f"`ss -ltnp 'sport = :{number}'` names it; end that, or `teimoso up --port`",
        )
    if hindrance is not None:
        return fail("port", f"{where}: {os.strerror(hindrance)}", "another PORT or TEIMOSO_HOST")
    return ok("port", f"{where} is {'ours' if runs else 'free'}")


async def keeper(data: Path) -> CheckResult:
    """Whether somebody has the directory who is no process of this machine that it knows.

    A keeper that begins has the directory before its list of processes names it: that is waited for.
    """
    deadline = time.monotonic() + KEEPER_LIST_SECONDS
    while lock.held(data):
        processes = process_files.read(data, PROCESSES)
        pids = [entry.pid for entry in processes if entry.role == "keeper"]
        if pids:
            return ok("keeper", f"pid {pids[0]}")
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.05)
    else:
        return ok("keeper", "none")
    return fail(
        "keeper",
        f"a keeper that is not of this machine, or a container, has {data}",
        "one directory belongs to one keeper: `teimoso down` over there, or another --data",
    )


def _there(data: Path) -> Path:
    return next(one for one in (data, *data.parents) if exists(one))


def _file_system(path: Path) -> str:
    """The kind of the file system that holds a path; empty where it is not known."""
    place = path.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[one] for one in (place, *place.parents) if one in mounts), "")
