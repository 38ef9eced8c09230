"""Forks Ray workers from one process that has imported their modules already, which makes a start several times cheaper.

The first process that Ray starts for a worker becomes the node's template, and its fork the worker. Each later one
hands its arguments to the template and ends: a fork of the template is the worker. Nothing waits for a template:
a process that finds none, or none that answers, imports for itself, and becomes the new one where it can. A template
ends with its raylet, and once files of the code have changed on the disk.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RAY: Final = "ray._private.workers.default_worker"
"""The module of Ray that each worker runs."""
ACTOR: Final = "actors.connection.actor"
"""The module of most workers: the actor of a connection, which imports neither engine."""

TITLE: Final = "ray::template"
RAYLET: Final = "RAY_RAYLET_PID"
PATIENCE: Final = 3.0
"""Seconds within which the template answers a worker; a template that does not is killed."""
REQUEST: Final = 2**17  # bytes

_ROOT: Final = Path(__file__).parents[3]
_PACKAGES: Final = ("actors", "gateway", "supervision")
_READY: Final = b"ready"
_GO: Final = b"go"


class Start(NamedTuple):
    """The start of a worker's process: all that Ray gave to it but its open files."""

    interpreter: str
    arguments: list[str]
    environment: dict[str, str]
    directory: str

    def adopt(self) -> None:
        """Gives this process the arguments, environment and directory."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.directory)
        sys.argv[:] = self.arguments


def hand_over(address: str) -> bool:
    """Returns whether a fork of the template at `address` is the worker now, in place of this process.

    The fork goes on only after this process's last word, so two processes are never one worker.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(address)
        except OSError:
            return False
        template, user = _peer(connection)
        if user != os.getuid():
            return False
        start = Start(sys.executable, sys.argv, dict(os.environ), str(Path.cwd()))
        try:
            socket.send_fds(connection, [json.dumps(start).encode()], [0, 1, 2])
            if connection.recv(len(_READY)) != _READY:
                return False
            connection.send(_GO)
        except TimeoutError:
            with suppress(OSError):
                os.kill(template, signal.SIGKILL)
                connection.recv(len(_READY))  # returns once it is gone, and the lock is free
            return False
        except OSError:
            return False
    return True


def serve(address: str) -> None:
    """Makes this process the template, unless there is one. Returns in each process that is to be a worker.

    That is this process if it is no template, its first fork if it is, and later each fork for another worker.
    """
    lock = os.open(f"{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return
    path = sys.path[1:]
    code = tuple(_code(path))
    import_module(RAY)
    if _threads() > 1 or os.fork() == 0:
        os.setpgid(0, 0)
        os.close(lock)
        return
    try:
        start = _serve(address, lock, lambda: tuple(_code(path)) == code)
    except BaseException:  # noqa: BLE001 - what called this is to run in workers alone
        traceback.print_exc()
        os._exit(1)
    if start is None:
        os._exit(0)
    start.adopt()


def _serve(address: str, lock: int, is_current: Callable[[], bool]) -> Start | None:
    """Returns in each forked worker; ``None`` in the template when it has to end. `lock` is its file."""
    with suppress(Exception):  # a worker that needs it meets the error, and reports it
        import_module(ACTOR)
    if _threads() > 1:
        raise RuntimeError("an import started a thread, which a fork would lack")
    gc.freeze()
    try:
        raylet = os.pidfd_open(int(os.environ[RAYLET]))
    except ProcessLookupError:
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    Path(address).unlink(missing_ok=True)
    mask = os.umask(0o177)
    listener.bind(address)
    os.umask(mask)
    listener.listen(128)
    _set_title()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended workers leave no zombies
    while _wait(listener, raylet) and is_current():
        connection, _ = listener.accept()
        with connection:
            start = _fork(connection)
        if start is not None:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            os.close(raylet)
            os.close(lock)
            return start
    Path(address).unlink(missing_ok=True)
    os.close(lock)  # before the socket: the worker that waits there becomes the next template
    return None


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _set_title() -> None:
    from ray import _raylet  # noqa: PLC0415 - heavy

    _raylet.setproctitle(TITLE)  # type: ignore[attr-defined]


def _wait(listener: socket.socket, raylet: int) -> bool:
    """Returns whether a worker waits; otherwise the raylet ended."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(raylet, select.POLLIN)
    return raylet not in {descriptor for descriptor, _ in poll.poll()}


def _fork(connection: socket.socket) -> Start | None:
    """Returns the start of a worker in the forked process, and ``None`` in the template."""
    connection.settimeout(PATIENCE)
    try:
        content, files, _, _ = socket.recv_fds(connection, REQUEST, 3)
        _, user = _peer(connection)
        start = Start(*json.loads(content))
    except (OSError, ValueError, TypeError):
        return None
    fits = user == os.getuid() and start.interpreter == sys.executable and len(files) == 3
    if not fits or os.fork() != 0:
        for file in files:
            os.close(file)
        return None
    os.setpgid(0, 0)  # Ray kills the group of a worker that ended
    try:
        connection.send(_READY)
        if connection.recv(len(_GO)) != _GO:
            os._exit(0)
    except OSError:
        os._exit(0)  # the worker starts by its own imports
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    return start


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Returns pid and user of the process at the other end."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    pid, user, _ = struct.unpack("3i", credentials)
    return pid, user


def _code(libraries: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yields path, time and size of each of the project's files, and the times of the directories of libraries."""
    paths: Sequence[str] = [str(_ROOT / package) for package in _PACKAGES]
    for path in libraries:
        with suppress(OSError):
            yield path, Path(path).stat().st_mtime_ns, 0
    folders = list(paths)
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                else:
                    status = entry.stat()
                    yield entry.path, status.st_mtime_ns, status.st_size
