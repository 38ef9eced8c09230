"""Python programs as processes of their own, forked from one that has imported them already.

Most of the start of `python -m gateway` is imports, most of a second, and a run starts hundreds of
programs. `Popen` here is a process with its own pid, files, arguments and environment that runs
the program as `__main__`; only its command line is the nursery's. It has of `subprocess.Popen`
what tests use of it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Nursery:
    """Forks what it is asked for; it ends, and its children with it, when this process does.

    One of a test's own has imported nothing but for the programs of that test.
    """

    def __init__(self, prepare: Callable[[], None] | None = None) -> None:
        """`prepare` is called in its process before that begins: its programs have what this changes."""
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.processes.nursery", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=DEVNULL,
                preexec_fn=prepare,  # noqa: PLW1509 - what is called asks the kernel alone
            )
        atexit.register(self.end)

    def fork(self, asked: Mapping[str, Any], files: Sequence[int]) -> socket.socket:
        """Says on the socket which pid it has, and at the end its exit status."""
        status, theirs = socket.socketpair()
        body = json.dumps(asked).encode()
        with theirs, self._lock:
            socket.send_fds(self._control, [len(body).to_bytes(4)], [*files, theirs.fileno()])
            self._control.sendall(body)
        return status

    def end(self) -> None:
        """Harmless twice."""
        self._control.close()
        self._process.wait()


_nursery = cache(Nursery)


class Popen:
    """A program: `-m MODULE` or a file, and its arguments, after the interpreter that it would have."""

    returncode: int | None = None

    def __init__(
        self,
        words: Sequence[str | bytes | Path],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[Any] | None = DEVNULL,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        text: bool = False,
        nursery: Nursery | None = None,
    ) -> None:
        asked = {
            "words": [os.fsdecode(word) for word in words[1:]],
            "cwd": str(cwd),
            "environment": dict(os.environ if env is None else env),
        }
        assert words[0] == sys.executable
        self.args = words
        self._ours: list[int] = []
        self._theirs: list[int] = []
        try:
            files = [
                self._file(0, stdin),
                self._file(1, stdout),
                self._file(2, stderr),
            ]
            self._status = (nursery or _nursery()).fork(asked, files)
        finally:
            for file in self._theirs:
                os.close(file)
        pipes = iter(self._ours)
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        if stdin == PIPE:
            self.stdin = os.fdopen(next(pipes), "w" if text else "wb")
        if stdout == PIPE:
            self.stdout = os.fdopen(next(pipes), "r" if text else "rb")
        if stderr == PIPE:
            self.stderr = os.fdopen(next(pipes), "r" if text else "rb")
        self.pid = self._number(None)

    def _file(self, number: int, file: int | IO[Any] | None) -> int:
        """The file of the program with that descriptor."""
        if file is None:
            return number
        if file == DEVNULL:
            theirs = os.open(os.devnull, os.O_RDWR)
        elif file == PIPE:
            read, write = os.pipe()
            ours, theirs = (write, read) if number == 0 else (read, write)
            self._ours.append(ours)
        else:
            return file if isinstance(file, int) else file.fileno()
        self._theirs.append(theirs)
        return theirs

    def _number(self, seconds: float | None) -> int:
        """The next number that the nursery says of it."""
        waiting = select.poll()
        waiting.register(self._status, select.POLLIN)
        if not waiting.poll(None if seconds is None else seconds * 1000):
            raise subprocess.TimeoutExpired(self.args, seconds or 0)
        said = self._status.recv(4, socket.MSG_WAITALL)
        assert len(said) == 4, "the nursery is gone"
        number: int = struct.unpack("!i", said)[0]
        return number

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._number(timeout)
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                file.close()
        self.wait()

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Returns the output of the ended program, which has to fit into a pipe."""
        self.wait(timeout)
        said = []
        for file in (self.stdout, self.stderr):
            said.append(None if file is None else file.read())
            if file is not None:
                file.close()
        return said[0], said[1]


def run(
    words: Sequence[str | bytes | Path],
    *,
    timeout: float = 60,
    capture_output: bool = False,
    **more: Any,
) -> subprocess.CompletedProcess[Any]:
    """As `subprocess.run` with `check=False`."""
    if not capture_output:
        process = Popen(words, **more)
        return subprocess.CompletedProcess(words, _ended(process, timeout))
    mode = "w+" if more.get("text") else "w+b"
    with tempfile.TemporaryFile(mode) as output, tempfile.TemporaryFile(mode) as errors:
        process = Popen(words, stdout=output, stderr=errors, **more)
        code = _ended(process, timeout)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


def _ended(process: Popen, timeout: float) -> int:
    try:
        return process.wait(timeout)
    except BaseException:  # the end of the test's own time, too
        process.kill()
        process.wait()
        raise
