"""Runs a Ray worker: as a fork of the worker template, or by its own imports where no template takes it.

Ray runs this file in place of its own `default_worker.py`, once for each worker. Most of these processes hand their
start over and end. So this module imports the little that they need, and no package of the project; `typing` alone
would take as long as all of it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import sys
import time
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

RAYLET_SOCKET: Final = "--raylet-name="
TEMPLATE: Final = ".fork"
"""The end of the path of a template's socket, after that of its raylet: no longer than others that Ray makes there."""
RAYLET: Final = "RAY_RAYLET_PID"

READY: Final = b"ready"
"""The answer of a fork: it waits to be the worker."""
GO: Final = b"go"
"""The last word of the process that hands its start over."""
TEMPLATE_REFUSAL: Final = b"refused"
"""The answer of a template that lives on, and cannot be this worker."""

TEMPLATE_POLL_SECONDS: Final = 0.5
"""Seconds until a template that has not answered is looked at, and then between two looks."""
TEMPLATE_TIMEOUT: Final = 20.0
"""Seconds that a worker waits for a template that runs, imports included; then it imports for itself."""
RETRY_PAUSE: Final = 0.02
"""Seconds until the next try where a template has just begun or ended."""


def main() -> None:
    """Run Ray's worker with this process's arguments, as if Ray had started its own file."""
    address = template_address(sys.argv)
    place = None if address is None else find_place(address)
    # By its name, as programs are started: it imports the answers of a template from here.
    import_module("supervision.keeper.parts.worker_template").run(place)


def template_address(arguments: Sequence[str]) -> str | None:
    """Returns the path of the template's socket for the worker of a raylet; ``None`` where no process can be forked."""
    if sys.platform != "linux" or RAYLET not in os.environ:
        return None
    for each in arguments:
        if each.startswith(RAYLET_SOCKET):
            return each.removeprefix(RAYLET_SOCKET) + TEMPLATE
    return None


def find_place(address: str) -> tuple[socket.socket, int] | None:
    """Ends this process once a fork of the template at `address` is the worker in its place.

    Otherwise returns socket and lock of the template that this process is to become, or ``None`` where it is to be a
    worker by its own imports.
    """
    end = time.monotonic() + TEMPLATE_TIMEOUT
    while time.monotonic() < end:
        try:
            place = _take(address)
        except OSError:
            return None
        if place is not None:
            return place
        answer = _hand_over(address, end)
        if answer == READY:
            os._exit(0)
        if answer == TEMPLATE_REFUSAL:
            return None
        time.sleep(RETRY_PAUSE)
    return None


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Returns pid and user of the process at the other end."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    pid, user, _ = struct.unpack("3i", credentials)
    return pid, user


def _take(address: str) -> tuple[socket.socket, int] | None:
    """Returns listening socket and lock, unless a template has the lock. It listens before it imports.

    The lock is one that forks do not inherit, and that the kernel releases before it closes sockets of the dead.
    """
    lock = os.open(f"{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # by POSIX either one where another process has it
        os.close(lock)
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.path.lexists(address):
        os.unlink(address)  # noqa: PTH108 - pathlib takes longer than the rest
    mask = os.umask(0o177)
    listener.bind(address)
    os.umask(mask)
    listener.listen(128)
    return listener, lock


def _hand_over(address: str, end: float) -> bytes:
    """Returns `READY` once a fork is the worker, `TEMPLATE_REFUSAL` if none will be, or nothing if the template has gone.

    The fork goes on only after this process's last word, so two processes are never one worker.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(TEMPLATE_POLL_SECONDS)
        try:
            connection.connect(address)
            template, user = peer_of(connection)
            if user != os.getuid():
                return TEMPLATE_REFUSAL
            start = (sys.executable, sys.argv, dict(os.environ), os.getcwd())  # noqa: PTH109
            socket.send_fds(connection, [repr(start).encode()], [0, 1, 2])
            answer = _answer(connection, template, end)
            if answer == READY:
                connection.send(GO)
        except OSError:
            return b""
    return answer


def _answer(connection: socket.socket, template: int, end: float) -> bytes:
    """Returns the template's answer. One that is stopped at two looks is killed, since it holds up all starts.

    Not at the first: where all of a host goes on after a pause, this process may do so before the template.
    """
    stopped = False
    while time.monotonic() < end:
        try:
            return connection.recv(len(TEMPLATE_REFUSAL))
        except TimeoutError:
            before, stopped = stopped, _is_stopped(template)
            if before and stopped:
                os.kill(template, signal.SIGKILL)
    return TEMPLATE_REFUSAL


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
        return stat.read().rpartition(b")")[2].split()[0] in b"Tt"


if __name__ == "__main__":
    main()
