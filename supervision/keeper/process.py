"""Starts, finds, awaits and stops, for the keeper, OS processes that outlive the keeper itself.

Marks in the environment of each, instance and part, are inherited by its children. By them a part is
found even when its keeper died before it wrote the pid down, and so are the children of a dead part.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from supervision.keeper import log_rotation
from supervision.reports.process_files import ProcessEntry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

INSTANCE_VARIABLE = "TEIMOSO_INSTANCE"
PART_VARIABLE = "TEIMOSO_PART"
RAY_TASK = "ray_task"  # the part that each Ray task is, and the name of its log
RAY_TITLES = ("ray::", "ray-dashboard")
COMMAND = 15  # characters of a program's name that the kernel keeps
STRAY_LOOKS = 5  # at strays, until there are none
END_POLL_SECONDS = 0.1  # seconds, where the system does not report the end of a process


@dataclass(frozen=True)
class CommandLine:
    """A command line; `environment` is added to the keeper's own, an empty value removes the name."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


# Children that are not reaped stay zombies while the keeper lives. By pid and start: an entry may be of an older
# process that had the pid.
_children: dict[tuple[int, str], subprocess.Popen[bytes]] = {}


def start(data: Path, role: str, command: CommandLine) -> ProcessEntry:
    """Starts a command in a session of its own, which signals to the keeper's group do not reach.

    Its output goes to the log of the role; older logs are kept beside it. Raises OSError.
    """
    log = log_of(data, role)
    log.parent.mkdir(parents=True, exist_ok=True)
    log_rotation.set_aside(log)
    environment = {
        **os.environ,
        **command.environment,
        INSTANCE_VARIABLE: str(data),
        PART_VARIABLE: role,
    }
    with log.open("ab") as output:  # in append mode, since rotation truncates it
        child = subprocess.Popen(  # noqa: S603 - the command is the keeper's own
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data,
            env={name: value for name, value in environment.items() if value},
            start_new_session=True,
        )
    # A process that died at once is a zombie without a start time: the watch reports its end.
    entry = ProcessEntry.of(role, child.pid) or ProcessEntry(role, child.pid, "ended")
    _children[entry.pid, entry.started] = child
    return entry


async def ended(entry: ProcessEntry) -> None:
    """Waits until the process is gone; it need not be a child of this one."""
    while not is_over(entry):
        descriptor = _pidfd(entry.pid)
        if descriptor is None:
            await asyncio.sleep(END_POLL_SECONDS)
            continue
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        try:
            loop.add_reader(descriptor, gone.set)
            if not is_over(entry):  # the pid may have been reused before it was opened
                await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


async def outcome(data: Path, entry: ProcessEntry) -> str | None:
    """Waits for the end of a child; returns ``None`` on success, else the last line of its log."""
    child = _children[entry.pid, entry.started]
    await ended(entry)
    if child.returncode == 0:
        return None
    return last_words(data, entry.role) or f"it ended with status {child.returncode}"


def resident(entry: ProcessEntry) -> int:
    """Returns the bytes of its resident memory; 0 when it is gone."""
    try:
        return 0 if is_over(entry) else int(psutil.Process(entry.pid).memory_info().rss)
    except psutil.Error:
        return 0


def is_over(entry: ProcessEntry) -> bool:
    """Returns whether the process is gone; a child is once it is reaped, which this does."""
    child = _children.get((entry.pid, entry.started))
    if child is None:
        return not entry.alive
    # Its first thread ends before the others: until then it looks like a zombie, and cannot be reaped.
    if child.poll() is None:
        return False
    del _children[entry.pid, entry.started]
    return True


async def stop(entries: list[ProcessEntry], grace: float) -> list[ProcessEntry]:
    """Sends SIGTERM, and SIGKILL after `grace` seconds; returns the processes that were killed."""
    for entry in entries:
        send(entry, signal.SIGTERM)
    if await _all_over(entries, grace):
        return []
    left = [entry for entry in entries if not is_over(entry)]
    for entry in left:
        send(entry, signal.SIGKILL)
    await _all_over(left, 10.0)
    return left


async def kill(entries: list[ProcessEntry]) -> None:
    """Sends SIGKILL, and waits until the processes are gone, for 10 seconds at most."""
    for entry in entries:
        send(entry, signal.SIGKILL)
    await _all_over(entries, 10.0)


async def end_strays(data: Path, role: str | None = None) -> list[ProcessEntry]:
    """Kills `strays` until a look finds none, for 5 looks at most; returns the killed processes.

    One look is not enough: a raylet starts further processes until it is dead itself.
    """
    killed: list[ProcessEntry] = []
    for _ in range(STRAY_LOOKS):
        left = strays(data, role)
        if not left:
            break
        await kill(left)
        killed += [entry for entry in left if entry not in killed]
    return killed


def send(entry: ProcessEntry, number: signal.Signals) -> None:
    """Sends a signal, unless the process is gone or its pid was reused."""
    if not is_over(entry):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(entry.pid, number)


def strays(data: Path, role: str | None = None) -> list[ProcessEntry]:
    """Returns living processes with the marks of this instance, and of `role` where it is given."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            part = _part(process, str(data))
        except (psutil.Error, OSError):
            continue
        if part is not None and role in (None, part):
            entry = ProcessEntry.of(part, process.pid)
            if entry is not None:
                found.append(entry)
    return found


def programs(entries: Iterable[ProcessEntry], name: str) -> list[ProcessEntry]:
    """Returns the programs of this name that connections and standbys started on this host, with the connection's name."""
    serving = {"connection", "standby"}
    owners = {each.pid: each for each in entries if each.role in serving and each.here}
    found = []
    for process in psutil.process_iter(["ppid", "name"]):
        owner = owners.get(process.info["ppid"])
        if owner is not None and process.info["name"][:COMMAND] == name[:COMMAND]:
            found.append(ProcessEntry.of("program", process.pid, owner.connection))
    return [each for each in found if each is not None]


def _part(process: psutil.Process, data: str) -> str | None:
    """Returns the part of the instance in `data` to which a process belongs; ``None`` for others."""
    environment = process.environ()
    if environment.get(INSTANCE_VARIABLE) == data:
        return environment.get(PART_VARIABLE)
    # Ray's agents overwrite their environment by their title; they stay in the directory in which
    # the head was started, also once their raylet is dead and init is their parent.
    if not environment and process.name().startswith(RAY_TITLES) and process.cwd() == data:
        return "ray"
    return None


def log_of(data: Path, role: str) -> Path:
    """Returns the path of a part's log."""
    return data / "logs" / f"{role}.log"


def last_words(data: Path, role: str, limit: int = 300) -> str:
    """Returns the last line of a part's log with a message, for a person."""
    try:
        with log_of(data, role).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 8192))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:limit] for line in reversed(lines) if line.strip()), "")


async def _all_over(entries: list[ProcessEntry], within: float) -> bool:
    deadline = time.monotonic() + within
    while not all(is_over(entry) for entry in entries):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
