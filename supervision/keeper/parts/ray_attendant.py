"""Ends all processes of a Ray head once one of them has ended, or on SIGTERM; they are its children, given by pid.

It loads nothing of the project or of Ray, so that it stays small.
"""

import os
import signal
import sys
import time

GRACE = 5.0
"""Seconds that each may take to end by itself."""


def main() -> int:
    """Returns the exit status: 0 after SIGTERM, 1 where a process ended by itself."""
    left = [int(pid) for pid in sys.argv[1:]]
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    stopped = False
    while not stopped and not _ended(left):
        stopped = signal.sigwait(signals) != signal.SIGCHLD
    for pid in reversed(left):  # the raylet before the GCS
        _end(pid)
    return 0 if stopped else 1


def _ended(left: list[int]) -> bool:
    """Reaps children; returns whether one of `left`, which it is removed from, has ended."""
    ended = False
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return ended
        if pid in left:
            left.remove(pid)
            ended = True


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
