"""Forks Ray workers from one process that has imported their modules already, which makes a start several times cheaper.

The first process that Ray starts for a worker becomes the node's template, and its first fork that worker. Each later
one hands its arguments to the template and ends: a fork of the template is the worker (`ray_worker.py`). A template
ends with its raylet, with its last worker, and once files of the code have changed on the disk; the next worker's
process becomes the next one.

Ray reads the job of a worker from the environment while it is imported. Forks have no job until their first call, as
workers have that Ray starts ahead.
"""

from __future__ import annotations

import ast
import gc
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from supervision import actor_classes
from supervision.keeper.parts import worker_imports
from supervision.keeper.parts.ray_worker import GO, RAYLET, READY, TEMPLATE_REFUSAL, peer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PRELOADED_MODULES: Final = (
    "ray._private.workers.default_worker",
    *(
        actor_classes.CLASSES[role].partition(":")[0]
        for role in ("root", "connection", "state", "queue", "health")
    ),
    "actors.connection.whatsmeow.engine",
    "actors.connection.session.session",
)
"""Modules of nearly all workers: those of connections, by far the most, need nothing else. The vault's has its bucket's client."""

PROCESS_TITLE: Final = "ray::template"
JOB: Final = "RAY_JOB_ID"
NO_JOB: Final = "ffffffff"
HANDOVER_TIMEOUT: Final = 1.0
"""Seconds within which the request of a worker's process is complete; it is sent in one piece."""
REQUEST: Final = 2**17  # bytes

_ROOT: Final = Path(__file__).parents[3]
_PACKAGES: Final = ("actors", "gateway", "supervision")


class WorkerStart(NamedTuple):
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


class Template:
    """A process that forks workers. Each fork has the modules of `PRELOADED_MODULES`, and a process group of its own.

    A start whose interpreter, user or environment is another one is refused, and imports for itself: libraries read
    their settings from the environment while they are imported.
    """

    def __init__(self, listener: socket.socket, lock: int) -> None:
        self._listener = listener
        self._lock = lock
        self._environment = _shared(os.environ)
        self._libraries = sys.path[1:]
        self._code = tuple(_code(self._libraries))

    def close(self) -> None:
        """Leaves socket and lock to the next template, in this process; the lock first."""
        os.close(self._lock)
        self._listener.close()

    def serve(self) -> WorkerStart | None:
        """Returns in each forked worker; ``None`` in this process when the template has to end."""
        try:
            raylet = os.pidfd_open(int(os.environ[RAYLET]))
        except ProcessLookupError:
            return None
        _set_title()
        ended, end = socket.socketpair()
        for pipe in ended, end:
            pipe.setblocking(False)
        previous = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
        while _wait(self._listener, raylet, ended) and self._is_current():
            connection, _ = self._listener.accept()
            with connection:
                start = self._fork(connection)
            if start is not None:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, previous)
                for pipe in ended, end:
                    pipe.close()
                os.close(raylet)
                return start
        return None

    def _is_current(self) -> bool:
        return tuple(_code(self._libraries)) == self._code

    def _fork(self, connection: socket.socket) -> WorkerStart | None:
        """Returns the start of a worker in the forked process, and ``None`` in the template."""
        connection.settimeout(HANDOVER_TIMEOUT)
        start, files = self._receive(connection)
        if start is None:
            with suppress(OSError):
                connection.send(TEMPLATE_REFUSAL)
        if start is None or os.fork() != 0:
            _close(files)
            return None
        os.setpgid(0, 0)  # Ray kills the group of a worker that ended
        connection.settimeout(None)  # until the other process has spoken or died
        try:
            connection.send(READY)
            if connection.recv(len(GO)) != GO:
                os._exit(0)
        except OSError:
            os._exit(0)
        for standard, file in enumerate(files):
            os.dup2(file, standard)
        _close(files)
        return start

    def _receive(self, connection: socket.socket) -> tuple[WorkerStart | None, Sequence[int]]:
        """Returns a start, unless it is not for this template, and descriptors in any case."""
        files: Sequence[int] = ()
        try:
            _, user = peer_of(connection)
            content, files, _, _ = socket.recv_fds(connection, REQUEST, 3)
            start = WorkerStart(*ast.literal_eval(content.decode()))
            fits = (
                user == os.getuid()
                and len(files) == 3
                and start.interpreter == sys.executable
                and _shared(start.environment) == self._environment
            )
        except (OSError, ValueError, TypeError, SyntaxError, AttributeError):
            return None, files
        return (start if fits else None), files


def run(place: tuple[socket.socket, int] | None) -> None:
    """Runs Ray's worker in this process, or in forks of it where `place` has socket and lock of the template."""
    worker_imports.prepare()
    if place is not None:
        serve(*place)
    worker_imports.run()


def serve(listener: socket.socket, lock: int) -> None:
    """Makes this process the template. Returns in each process that is to be a worker.

    That is its first fork, and later each fork for another worker; this process itself if it cannot be forked.
    """
    own = WorkerStart(sys.executable, list(sys.argv), dict(os.environ), str(Path.cwd()))
    template = Template(listener, lock)
    os.environ[JOB] = NO_JOB
    for module in PRELOADED_MODULES:
        with suppress(Exception):  # the worker that needs it meets the error, and reports it
            import_module(module)
    if threads() > 1:
        template.close()  # a fork would lack them
        return
    gc.freeze()
    if os.fork() == 0:
        os.setpgid(0, 0)
        start = own
    else:
        start = _serve(template)
    template.close()
    start.adopt()


def _serve(template: Template) -> WorkerStart:
    """Returns in forked workers alone: this process ends with the template."""
    status = 1
    try:
        start = template.serve()
        if start is not None:
            return start
        template.close()  # the worker that waits at the socket becomes the next template
        status = 0
    except BaseException:  # noqa: BLE001 - the caller goes on as a worker
        traceback.print_exc()
    os._exit(status)


def threads() -> int:
    """Returns the number of this process's threads, those of libraries too."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)


def _shared(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the part of a worker's environment that all workers of a raylet have."""
    return {name: value for name, value in environment.items() if name != JOB}


def _set_title() -> None:
    from ray import _raylet  # noqa: PLC0415 - heavy

    _raylet.setproctitle(PROCESS_TITLE)  # type: ignore[attr-defined]


def _wait(listener: socket.socket, raylet: int, ended: socket.socket) -> bool:
    """Returns whether a worker waits; otherwise the raylet or the last forked worker has ended."""
    poll = select.poll()
    for descriptor in listener.fileno(), raylet, ended.fileno():
        poll.register(descriptor, select.POLLIN)
    while True:
        has_workers = _reap()
        ready = {descriptor for descriptor, _ in poll.poll(None if has_workers else 0)}
        if raylet in ready:
            return False
        if listener.fileno() in ready:
            return True
        if not has_workers:
            return False
        with suppress(BlockingIOError):
            ended.recv(REQUEST)


def _reap() -> bool:
    """Collects forked workers that have ended; returns whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _code(libraries: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yields path, time and size of each of the project's files, and the times of the directories of libraries."""
    for path in libraries:
        with suppress(OSError):
            yield path, Path(path).stat().st_mtime_ns, 0
    folders = [str(_ROOT / package) for package in _PACKAGES]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                else:
                    status = entry.stat()
                    yield entry.path, status.st_mtime_ns, status.st_size
