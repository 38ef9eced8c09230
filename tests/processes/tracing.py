"""What a process asked of the kernel, and in which order: `kill -9` keeps the page cache.

So only the order of system calls proves that something was on disk before somebody was told.
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
    """What to put before a command, so that the calls of all its threads are in `output`."""
    assert STRACE is not None
    return [STRACE, "-f", "-y", "-s", "4096", "-o", str(output), "-e", CALLS]


def calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """Each call's name, file and the rest, in the order in which they returned."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        # What another thread interrupts is printed in two parts.
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
            continue
        if call.startswith("<... "):
            call = begun.pop(pid) + call.partition("resumed>")[2]
        if (found := _CALL.match(call)) is not None:
            yield found["name"], found["file"], found["rest"]
