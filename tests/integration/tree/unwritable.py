"""A directory in which nothing can be written for a while."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def unwritable(directory: Path) -> Iterator[Callable[[], None]]:
    """A full disk of its own where that can be mounted, else a file in the way; what mends it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(directory)]

    def grow() -> None:
        subprocess.run([*mount[:4], "remount,size=16m", *mount[5:]], check=True)

    if os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0:
        filler = directory / "filler"
        try:
            with suppress(OSError), filler.open("wb", buffering=0) as full:
                while full.write(b"x" * 4096):
                    pass
            yield grow
        finally:
            subprocess.run(["umount", "-l", str(directory)], check=True)
    else:
        directory.rmdir()
        directory.write_text("in the way")
        yield directory.unlink
