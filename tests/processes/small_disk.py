"""A small file system of its own, which a test fills."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def mount_small_disk(
    place: Path, megabytes: int = 1, *, inodes: int | None = None
) -> Iterator[Path]:
    """Mounts a file system at `place`, which only root can; skips the test for others."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    place.mkdir(exist_ok=True)
    options = f"size={megabytes}m" + ("" if inodes is None else f",nr_inodes={inodes}")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)  # also where a process has a file open
