"""The engine alone as a process, as a test drives it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.processes.instance import Instance


class BareEngine:
    """Paired with the simulator of `instance` as the account `number`."""

    def __init__(
        self,
        instance: Instance,
        directory: Path,
        number: str,
        epoch: int = 1,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        told = instance.simulator.get("/").json()
        words = (str(directory), told["ws_url"], told["root_key"], str(epoch))
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("bare_engine.py"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._log_in(instance, number)
        except BaseException:
            self._end()
            raise

    def _log_in(self, instance: Instance, number: str) -> None:
        told = self._hear()
        if "qr" in told:
            instance.simulator.post("/phones", json={"number": number}).raise_for_status()
            path = f"/phones/{number}/scan"
            instance.simulator.post(path, json={"qr": told["qr"]}).raise_for_status()
            while "open" not in told:
                told = self._hear()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """Its process, and the program that this may have."""
        return self.pid, *(child.pid for child in psutil.Process(self.pid).children())

    def ask(self, contacts: Sequence[str], count: int, prefix: str) -> None:
        """Begin to send; `seconds` waits for the end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"send {','.join(contacts)} {count} {prefix}\n")
        self._process.stdin.flush()

    def seconds(self) -> float:
        return float(self._hear()["seconds"])

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the bare engine ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
