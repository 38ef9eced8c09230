"""Traces the system calls of a process in their order.

The page cache survives `kill -9`, so that only this order proves that a write was synced before its
acknowledgement.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRACE = shutil.which("strace")
CALLS = "trace=read,recvfrom,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync"

_CALL = re.compile(r"(?P<name>\w+)\((?P<file>\d+<[^>]*>)(?P<rest>.*)")


def under(output: Path) -> list[str]:
    """Returns the prefix of a command that writes the calls of all its threads to `output`."""
    assert STRACE is not None
    return [STRACE, "-f", "--seccomp-bpf", "-y", "-s", "4096", "-o", str(output), "-e", CALLS]


def calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """Each call's name, file and the rest, in the order in which they returned."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        # A call that another thread interrupts is printed in two parts.
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
            continue
        if call.startswith("<... "):
            call = begun.pop(pid) + call.partition("resumed>")[2]
        if (found := _CALL.match(call)) is not None:
            yield found["name"], found["file"], found["rest"]
