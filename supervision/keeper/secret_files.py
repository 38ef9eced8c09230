"""Reads a secret (Valkey password, Ray token) from a file, and creates a missing or empty file with mode 0600."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_or_create(file: Path, make: Callable[[], str]) -> str:
    """Returns the content of `file`; creates it with `make` where it is missing or empty."""
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        found = ""
    if not found:
        found = make()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(file, found)
    return found
