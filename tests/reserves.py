"""Values of DISK_RESERVE at which a disk of any size has too little left: for files, or for messages too."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MORE_THAN_THERE_IS: Final = 2**50
"""Not even its quarter is free."""


def beyond_the_free(place: Path) -> int:
    """Files have no room, and all else has: what is free is half of it."""
    return 2 * shutil.disk_usage(place).free
