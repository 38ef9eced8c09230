"""A figure that a test measured, printed at the end of the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

Figure = Callable[[str], None]


def first_message(figure: Figure, path: str, begun: float) -> None:
    """Store the time in which a path of the documentation led from nothing to a first message.

    `begun` is when it began, on the monotonic clock.
    """
    seconds, load = time.monotonic() - begun, os.getloadavg()[0]
    figure(f"first message, {path}: {seconds:.1f} s from nothing, at a load of {load:.1f}")
