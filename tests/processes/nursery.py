"""`python -m tests.processes.nursery SOCKET`: the process that `forked.py` asks for programs.

It imports what a program imports, once, and forks; it has no thread and runs nothing itself.
"""

from __future__ import annotations

import ast
import atexit
import gc
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LATER = {
    "gateway": (
        "actors.state.sqlite.store",
        "anyio._backends._asyncio",
        "encodings.idna",
        "uvicorn.lifespan.on",
        "uvicorn.loops.uvloop",
        "uvicorn.protocols.http.auto",
        "uvicorn.protocols.websockets.auto",
        "uvloop",
    ),
    "gateway.cli": tuple(
        f"gateway.cli.{name}"
        for name in (
            "api_client",
            "app",
            "commands.events",
            "commands.send",
            "instance.up",
            "instance.instance_state",
        )
    ),
    "simulator": (
        "cryptography.hazmat.backends.openssl.backend",
        "uvicorn.lifespan.off",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.protocols.websockets.websockets_sansio_impl",
    ),
    "pytest": (
        "cryptography.hazmat.primitives.ciphers.aead",
        "httpx",
        "psutil",
        "pydantic_settings",
        "redis.asyncio",
        "structlog",
        "uvloop",
    ),
    "driven.py": ("actors.connection.whatsmeow.engine",),
    "whatsmeow_client.py": ("actors.connection.whatsmeow.engine",),
}
"""Modules that a program imports only once it runs."""


ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, socket.socket] = {}
        self._known: set[str] = set()

    def serve(self) -> list[str] | None:
        """Returns in a child, with its words; in the nursery None, once nobody can ask any more."""
        woken, wakes = socket.socketpair()
        for end in (woken, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: who asks ends first
        while True:
            ready, _, _ = select.select([self._control, woken], [], [])
            if woken in ready:
                woken.recv(4096)
                self._reap()
            if self._control in ready:
                head, files, _, _ = socket.recv_fds(self._control, 4, 4)
                if not head:
                    self._end()
                    return None
                body = b""
                while len(body) < int.from_bytes(head):
                    body += self._control.recv(int.from_bytes(head) - len(body))
                asked = json.loads(body)
                self._learn(asked["words"])
                if not self._fork(files):
                    for each in (self._control, woken, wakes, *self._children.values()):
                        each.detach()
                    _become(asked, files)
                    words: list[str] = asked["words"]
                    return words

    def _fork(self, files: list[int]) -> int:
        """The pid; 0 in the child, which has the files still."""
        if pid := os.fork():
            for file in files[:3]:
                os.close(file)
            self._children[pid] = socket.socket(fileno=files[3])
            _say(self._children[pid], pid)
        return pid

    def _learn(self, words: list[str]) -> None:
        """Import what the program will."""
        name = _name(words)
        if name in self._known:
            return
        self._known.add(name)
        for each in ast.parse(_file(words).read_bytes()).body:
            if isinstance(each, ast.Import):
                for alias in each.names:
                    importlib.import_module(alias.name)
            elif isinstance(each, ast.ImportFrom) and each.module and not each.level:
                importlib.import_module(each.module)
        for later in LATER.get(Path(name).name, ()):
            importlib.import_module(later)
        gc.collect()
        gc.freeze()
        threads = [*Path("/proc/self/task").iterdir()]
        assert len(threads) == 1, f"{name} has threads: it cannot be forked"

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                with self._children.pop(pid) as told:
                    _say(told, os.waitstatus_to_exitcode(status))

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)


def _name(words: list[str]) -> str:
    return words[1] if words[0] == "-m" else words[0]


def _file(words: list[str]) -> Path:
    """Returns the code that runs as `__main__`, without importing it."""
    if words[0] != "-m":
        return Path(words[0])
    spec = importlib.util.find_spec(words[1])
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{words[1]}.__main__")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _say(asker: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody waits for it any more
        asker.sendall(struct.pack("!i", number))


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """Resets the state of the nursery to that of a new process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["cwd"])
    with suppress(OSError):  # so that `ps -o comm` tells programs apart
        Path("/proc/self/comm").write_text(Path(_name(asked["words"])).name)
    os.environ.clear()
    os.environ.update(asked["environment"])
    if asked["words"][0] == "-m" and Path(asked["cwd"]) != ROOT:
        sys.path[0] = asked["cwd"]
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]


def _run(words: list[str]) -> int:
    """The exit code of a program that ended in order; raises what it broke by."""
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            sys.path.insert(0, str(Path(words[0]).parent))
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        return ended.code or 0
    return 0


def _leave(code: int) -> NoReturn:
    """End as an interpreter does, but that it takes nothing apart.

    That would touch, and so copy, most of what the fork shares with the nursery.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def main() -> None:
    words = Nursery(socket.socket(fileno=int(sys.argv[1]))).serve()
    if words is not None:
        _leave(_run(words))


if __name__ == "__main__":
    main()
