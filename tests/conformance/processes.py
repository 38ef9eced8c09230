"""The simulator and a foreign client as processes, as tests start and end them."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("neonize_client.py")


class JsonProcess:
    """A process that prints one JSON object a line and takes one a line."""

    def __init__(self, command: list[str], log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.seen: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def line(self, seconds: float = 20.0) -> dict[str, Any]:
        """The next object. Fails when the process ends or says nothing for `seconds`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"silent for {seconds} s; before: {self.seen[-10:]}") from None
        assert line is not None, f"ended; before: {self.seen[-10:]}"
        self.seen.append(line)
        return line

    def await_event(self, event: str, seconds: float = 20.0, **values: Any) -> dict[str, Any]:
        """The next object of that event and with those values; others are passed over."""
        end = time.monotonic() + seconds
        while True:
            line = self.line(max(0.01, end - time.monotonic()))
            if line["event"] == event and all(line[key] == values[key] for key in values):
                return line

    def command(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """`kill -9`, and waits until the process is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        return self._process.wait(timeout=10)


class Simulator:
    """A simulator on a directory of its own; `start` again on the same ports after a kill."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports: tuple[str, ...] = ("0", "0")
        self.start()

    def start(self) -> None:
        port, control_port = self._ports
        self.process = JsonProcess(
            [
                *(sys.executable, "-m", "simulator"),
                *("--port", port, "--control-port", control_port),
                *("--data", str(self.directory)),
            ],
            self.directory.with_suffix(".log"),
        )
        ready = self.process.line()
        self.ws_url: str = ready["ws_url"]
        self.root_key: str = ready["root_key"]
        self._ports = tuple(str(httpx.URL(ready[name]).port) for name in ("ws_url", "control_url"))
        self.http = httpx.Client(base_url=ready["control_url"], timeout=30.0)

    def kill(self) -> None:
        self.http.close()
        self.process.kill()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def say(self, number: str, to: str, text: str, **more: Any) -> str:
        return str(self.post(f"/contacts/{number}/say", to=to, text=text, **more)["id"])

    def inbox(self, number: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.http.get(f"/contacts/{number}/inbox").json()["items"]
        return items

    def account(self, number: str) -> dict[str, Any]:
        account: dict[str, Any] = self.http.get(f"/accounts/{number}").json()
        return account

    def settled(self, number: str, seconds: float = 10.0) -> None:
        """Waits until the account has acknowledged everything."""
        until(lambda: self.account(number)["unacknowledged"] == 0, seconds)


class Neonize:
    """neonize in a process of its own, with one session file."""

    def __init__(
        self, simulator: Simulator, directory: Path, *, root_key: str | None = None
    ) -> None:
        self._simulator = simulator
        self._directory = directory
        self._root_key = root_key or simulator.root_key
        self.start()

    def start(self) -> None:
        options = {
            "database": str(self._directory / "session.db"),
            "ws_url": self._simulator.ws_url,
            "root_key": self._root_key,
        }
        self.process = JsonProcess(
            [sys.executable, str(CLIENT), json.dumps(options)], self._directory / "client.log"
        )

    def wait(self, event: str, seconds: float = 20.0, **values: Any) -> dict[str, Any]:
        """The next event of that kind and with those values; others before it are passed over."""
        return self.process.await_event(event, seconds, **values)

    def pair(self, number: str) -> None:
        qr = self.wait("qr")["qr"]
        self._simulator.post(f"/phones/{number}/scan", qr=qr)
        self.wait("connected")

    def send(self, to: str, text: str) -> str:
        self.process.command(do="send", to=to, text=text)
        return str(self.wait("sent", text=text)["id"])


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until the condition holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
