"""A Firestore of a test's own: the emulator as a process, with what can go wrong with it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Self

import grpc

from tests.processes import forked
from tests.processes.valkey import free_port

ROOT = Path(__file__).resolve().parents[2]
INDEXES = ROOT / "firestore.indexes.json"
START_SECONDS = 60.0
ANSWER_SECONDS = 30.0


class Firestore:
    """A server over a file in `directory`; what it acknowledged survives `kill` and `start`."""

    def __init__(self, directory: Path, *, indexes: Path | None = INDEXES) -> None:
        """Where `indexes` are given, a query that none of them serves is refused."""
        self.file = directory / "firestore.db"
        self.port = free_port()
        self._indexes = indexes
        self._process: forked.Popen | None = None

    @property
    def host(self) -> str:
        """The value of FIRESTORE_EMULATOR_HOST."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start on the same port and file; return when it answers."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        words = ["--port", str(self.port), "--file", str(self.file)]
        if self._indexes is not None:
            words += ["--indexes", str(self._indexes)]
        with self.file.with_suffix(".log").open("ab") as log:
            self._process = forked.Popen(
                [sys.executable, "-m", "tests.emulators.firestore", *words],
                cwd=ROOT,
                env={**os.environ, "GRPC_VERBOSITY": "ERROR"},
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.counts()
            except grpc.RpcError:
                if self.running and time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                self.kill()
                log_text = self.file.with_suffix(".log").read_text()[-2000:]
                raise AssertionError(f"the emulator did not start: {log_text}") from None
            return

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait(self, seconds: float = ANSWER_SECONDS) -> int:
        """Wait until it ended by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def strike(self, kind: str, **more: Any) -> None:
        """Begin a fault (`tests.emulators.firestore.faults`); it takes the place of another."""
        self._command({"fault": {"kind": kind, **more}})

    def heal(self) -> int:
        """End the fault; how often it struck."""
        struck = self.counts()["struck"]
        self._command({"fault": None})
        return int(struck)

    def counts(self, *, reset: bool = False) -> dict[str, Any]:
        """Returns the billed reads and writes; `reset` sets them to 0."""
        return self._command({"reset": reset})

    def written(self, collection: str) -> dict[str, int]:
        """Returns the writes of each document of a collection since the start, by its id."""
        found: dict[str, int] = self._command({"written": collection})["written"]
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self, asked: dict[str, Any]) -> dict[str, Any]:
        with grpc.insecure_channel(self.host) as channel:
            call = channel.unary_unary("/teimoso.emulator.Control/Do")
            answer = call(json.dumps(asked).encode(), timeout=ANSWER_SECONDS)
        found: dict[str, Any] = json.loads(answer)
        return found
