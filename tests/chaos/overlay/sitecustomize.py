"""Faults of a test inside the Python processes of an instance: they grow, their clock jumps.

Python loads this where the test put its directory on `PYTHONPATH`. The test writes how many
megabytes to hold into the file PID of the directory that `TEST_SWELLING` names, and by how many
seconds the wall clock is wrong (a double) into the file that `TEST_CLOCK` names. The simulator is
WhatsApp, which has a clock of its own.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
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


def _grow_on_demand() -> None:
    asked = Path(os.environ["TEST_SWELLING"]) / str(os.getpid())
    threading.Thread(target=_grow, args=(asked,), daemon=True).start()


def _shift(file: Path) -> None:
    with file.open("rb") as stream:
        offset = mmap.mmap(stream.fileno(), 8, access=mmap.ACCESS_READ)
    real, read = time.time, struct.Struct("d").unpack_from

    def shifted() -> float:
        (seconds,) = read(offset)
        return real() + float(seconds)

    time.time = shifted


if "TEST_SWELLING" in os.environ:
    if any(word.endswith("ray_worker.py") for word in sys.orig_argv):
        # Actors are forks of a template, which cannot be forked once it has a thread.
        os.register_at_fork(after_in_child=_grow_on_demand)
    else:
        _grow_on_demand()
if "TEST_CLOCK" in os.environ and "simulator" not in sys.orig_argv:
    _shift(Path(os.environ["TEST_CLOCK"]))
