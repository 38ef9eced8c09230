"""Sets the Linux timer slack of the thread that starts the whatsmeow program, so that the program wakes less often."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SET: Final = 29  # <linux/prctl.h>
_DEFAULT: Final = 0

SLACK: Final = 1_000_000
"""Nanoseconds. Go's runtime looks after its threads every 20 µs or more, and wakes for that alone."""


@contextmanager
def timer_slack(nanoseconds: int) -> Iterator[None]:
    """Give this thread that slack; processes that it starts meanwhile keep it, in all their threads.

    Afterwards the thread has its default. Outside Linux nothing is done.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "prctl"):
        yield
        return
    libc.prctl(_SET, ctypes.c_ulong(nanoseconds), 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_SET, ctypes.c_ulong(_DEFAULT), 0, 0, 0)
