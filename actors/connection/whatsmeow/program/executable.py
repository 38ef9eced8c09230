"""Finds the executable `teimoso-whatsmeow`, and names its database file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

EXECUTABLE_NAME: Final = "teimoso-whatsmeow"
BUILT: Final = Path(__file__).parents[1] / "bridge" / EXECUTABLE_NAME
"""The place where `make whatsmeow` puts it."""

DATABASE: Final = "whatsmeow.db"
"""The keys of the device, beside the session file; the program alone opens it."""


def find() -> Path | None:
    """The program's file, where it was built or on the `PATH`; None where it is not installed."""
    if BUILT.is_file() and os.access(BUILT, os.X_OK):
        return BUILT
    found = shutil.which(EXECUTABLE_NAME)
    return None if found is None else Path(found)
