"""The file of the program `teimoso-whatsmeow`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

NAME: Final = "teimoso-whatsmeow"
BUILT: Final = Path(__file__).with_name("bridge") / NAME
"""The place where `make whatsmeow` puts it."""


def find() -> Path | None:
    """The program's file, where it was built or on the `PATH`; None where it is not installed."""
    if BUILT.is_file() and os.access(BUILT, os.X_OK):
        return BUILT
    found = shutil.which(NAME)
    return None if found is None else Path(found)
