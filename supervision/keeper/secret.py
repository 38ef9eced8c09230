"""Small files that only their owner may read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(file: Path, text: str) -> None:
    """Replace `file` (mode 0600) atomically and durably."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def kept(file: Path, make: Callable[[], str]) -> str:
    """What `file` holds; made with `make` where it is not there or empty."""
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        found = ""
    if not found:
        found = make()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(file, found)
    return found
