"""Marks a data directory into which a restore was begun, so that nothing starts on a half of an instance."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

UNFINISHED_RESTORE: Final = "restore.unfinished"


def unfinished(data: Path) -> bool:
    """Whether a restore into the directory was begun and not finished."""
    return (data / UNFINISHED_RESTORE).exists()


def finish(data: Path) -> None:
    """Let the instance be started: everything is there, and on disk."""
    os.sync()
    (data / UNFINISHED_RESTORE).unlink()
