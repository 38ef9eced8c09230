"""Reads the memory limit of this process's container from its control groups (versions 1 and 2).

See "memory.max" in https://docs.kernel.org/admin-guide/cgroup-v2.html and "memory.limit_in_bytes" in
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_CGROUP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


def container_memory(own: Path = OWN_CGROUP, mount: Path = MOUNT) -> int | None:
    """Return the least limit, in bytes, of the groups that this process is in; None where none has one.

    `own` lists its groups, `mount` is where their files are. A limit of version 1 that is none is a number above
    any machine's memory.
    """
    limits = []
    for file in _limit_files(own, mount):
        with suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(file.read_text()))
    return min(limits, default=None)


def _limit_files(own: Path, mount: Path) -> Iterator[Path]:
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        # "0::/path" of version 2, "5:memory:/path" of version 1
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (number, controllers) == ("0", ""):
            root, name = mount, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        # A container may see its own group as the root, though the path is that of the host.
        group = PurePosixPath(path)
        for each in (group, *group.parents):
            yield root / each.relative_to("/") / name
