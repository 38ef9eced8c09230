"""A plugin of coverage.py that saves the data of each process twice a second, for `make coverage`.

Ray ends its workers with SIGKILL, and so do many tests what they started: at the end there is
nothing that could save. It measures nothing itself.
"""

from __future__ import annotations

import os
import sys
import threading

from coverage import Coverage

INTERVAL = 0.5  # seconds


def coverage_init(*_: object) -> None:
    """Called by coverage.py in each process that it measures."""
    # The nursery may have no thread when it forks; its children may.
    os.register_at_fork(after_in_child=start)
    if "tests.processes.nursery" not in sys.orig_argv:
        start()


def start() -> None:
    # No daemon: one that runs while the interpreter is taken down crashes it.
    threading.Thread(target=save_until_the_end, name="coverage-saver").start()


def save_until_the_end() -> None:
    main = threading.main_thread()
    while main.is_alive():
        main.join(INTERVAL)
        if (coverage := Coverage.current()) is not None:
            coverage.save()
