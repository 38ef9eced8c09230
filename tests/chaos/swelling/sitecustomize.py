"""Makes a process of an instance grow when its test asks for it.

Python loads this where the test put its directory on `PYTHONPATH`. The test writes how many
megabytes into the file PID of the directory that `TEST_SWELLING` names.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


def _grow(asked: Path) -> None:
    while not asked.exists():
        time.sleep(0.2)
    held = bytearray(0)
    while True:
        # Written, not only reserved: what is never touched is not resident.
        held = held or bytearray(os.urandom(4096)) * (int(asked.read_text()) * 256)
        time.sleep(3600)


if "TEST_SWELLING" in os.environ:
    asked = Path(os.environ["TEST_SWELLING"]) / str(os.getpid())
    threading.Thread(target=_grow, args=(asked,), daemon=True).start()
