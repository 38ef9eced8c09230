"""A process that tests talk to in JSON, one object a line."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from tests.processes import forked

ROOT = Path(__file__).resolve().parents[2]


class JsonProcess:
    """A process that prints one JSON object a line and takes one a line."""

    def __init__(
        self, command: list[str], log: Path, *, forks: bool = False, **environment: str
    ) -> None:
        """`forks`: it starts cheaply, from what has imported its modules already."""
        start = forked.Popen if forks else subprocess.Popen
        self._log = log
        self._end_requested = False
        with log.open("ab") as errors:
            self._process: forked.Popen | subprocess.Popen[str] = start(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | environment,
            )
        self.seen: list[dict[str, Any]] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._early: deque[dict[str, Any]] = deque()
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

    def quiet(self) -> list[dict[str, Any]]:
        """Returns the lines printed by now and not yet read, without waiting for more."""
        said: list[dict[str, Any]] = []
        while self._early or not self._lines.empty():
            said.append(self.line())
        return said

    def line(self, seconds: float = 60.0) -> dict[str, Any]:
        """The next object. Fails when the process ends or says nothing for `seconds`."""
        if self._early:
            return self._early.popleft()
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"silent for {seconds} s; before: {self.seen[-10:]}") from None
        assert line is not None, self.end()
        self.seen.append(line)
        return line

    def await_event(
        self, event: str | tuple[str, ...], seconds: float = 60.0, **values: Any
    ) -> dict[str, Any]:
        """The next object of that event, or of one of them, and with those values.

        Others are passed over, but for receipts before it is said that a message was sent: they may
        be its own.
        """
        events = (event,) if isinstance(event, str) else event
        end = time.monotonic() + seconds
        early: list[dict[str, Any]] = []
        while True:
            line = self.line(max(0.01, end - time.monotonic()))
            if line["event"] in events and all(line[key] == values[key] for key in values):
                self._early.extendleft(reversed(early))
                return line
            if event == "sent" and line["event"] == "receipt":
                early.append(line)

    def died(self, seconds: float = 0.0) -> int | None:
        """The exit code of a process that ended by itself, at the latest within `seconds`.

        None while it runs, and after an end that a test requested.
        """
        if self._end_requested:
            return None
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def end_requested(self) -> bool:
        """Whether a test has stopped, terminated or killed it."""
        return self._end_requested

    def end(self) -> str:
        """Describes the end of the process: exit code, last events and the end of its log."""
        code = self._process.wait(timeout=10)
        log = self._log.read_text(errors="replace")[-2000:]
        return f"ended with {code}; before: {self.seen[-10:]}; at the end of its log:\n{log}"

    def command(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def stop(self) -> int:
        """Closes standard input, upon which a client ends in order; the exit code."""
        assert self._process.stdin is not None
        self._end_requested = True
        self._process.stdin.close()
        return self._process.wait(timeout=10)

    def kill(self) -> None:
        """`kill -9`, and waits until the process is gone."""
        self._end_requested = True
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._end_requested = True
        self._process.terminate()
        return self._process.wait(timeout=10)
