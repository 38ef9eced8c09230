"""Has an instance believe a time, as after a day of running with a clock that was right."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from actors.runtime.atomic_files import write_atomically
from actors.runtime.deletion_time import TIME_FILE

if TYPE_CHECKING:
    from pathlib import Path


def believe_clock(data: Path, at: float | None = None) -> None:
    """Ages in the data directory count from now on, or from that time on."""
    trusted = {"at": time.time() if at is None else at, "doubted": 0.0, "seen": {}}
    write_atomically(data / TIME_FILE, json.dumps(trusted))  # a process may read it meanwhile
