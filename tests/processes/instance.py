"""A whole instance of the service for tests: started, used and ended as a person would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import psutil

from actors.runtime.connection_ids import name_of
from gateway.cli.instance import instance_state
from supervision.keeper import process as processes
from supervision.keeper.parts import ray_head
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files
from tests.plain_http import NO_AUTHORITIES
from tests.processes import forked
from tests.processes.valkey import free_port
from tests.run import answers, leaks
from tests.waits import until as until  # noqa: PLC0414 - also for who uses an instance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from supervision.reports.process_files import ProcessEntry

TEIMOSO = Path(sys.executable).with_name("teimoso")

API_KEY = "tmo_" + "k" * 43
PARTS = ("keeper", "gateway", "valkey", "simulator", "ray", "root", "queue", "state", "health")


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Instance:
    """`teimoso up --simulate --detach` on ports and a directory of its own."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is what every process of it finds in its own, settings too."""
        self.data = data
        self.environment = {} if environment is None else environment
        self.killed_at = 0.0
        self.port, self.simulator_port = free_port(), free_port()
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"X-Api-Key": API_KEY},
            limits=httpx.Limits(keepalive_expiry=2.0),  # what is about to be closed is not used
            timeout=15,
            verify=NO_AUTHORITIES,
        )
        self.simulator = httpx.Client(
            # One that was kept open may be closed by a fault, or for age, as it is used again.
            limits=httpx.Limits(max_keepalive_connections=0),
            base_url=f"http://127.0.0.1:{self.simulator_port}",
            timeout=15,
            verify=NO_AUTHORITIES,
        )

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def teimoso(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        words = (*words, "--data", str(self.data))
        environment = {**os.environ, "TEIMOSO_API_KEY": API_KEY, **self.environment}
        if Path(self.environment.get("PYTHONPATH", "/nowhere"), "gateway").is_dir():
            # A fork has imported this tree already, and loads no other code.
            return subprocess.run(
                [TEIMOSO, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        return forked.run(
            [sys.executable, "-m", "gateway.cli", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def up(self) -> float:
        """Start, or bring back, the instance; the seconds that it took."""
        begun = time.monotonic()
        done = self.teimoso(
            "up",
            "--simulate",
            "--detach",
            "--port",
            str(self.port),
            "--simulator-control-port",
            str(self.simulator_port),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answers.CHECK.watch(str(self.simulator.base_url))
        return time.monotonic() - begun

    def status(self) -> dict[str, Any]:
        """Returns the output of `teimoso status --json`, without the start of a program."""
        return asyncio.run(instance_state.look(self.data)).as_json()

    def ready(self, seconds: float) -> dict[str, Any]:
        """Returns `status` once all desired connections are open."""

        def look() -> dict[str, Any] | None:
            if not {one.role for one in self.entries()}.issuperset(PARTS):
                return None
            status = self.status()
            return status if status["ready"] else None

        return until("the instance is ready", look, seconds)

    def entries(self) -> list[ProcessEntry]:
        """Its processes by their files: `status` also searches all processes of the machine.

        As there, connections have their names.
        """
        found = (*process_files.read(self.data, PROCESSES), *process_files.read(self.data))
        return [
            replace(one, connection=one.connection and name_of(one.connection)) for one in found
        ]

    def process(self, role: str, connection: str | None = None) -> psutil.Process:
        """Once the status tells of it: the root writes that down a moment after a process serves."""

        def look() -> psutil.Process | None:
            for entry in self.entries():
                if entry.role == role and connection in (None, entry.connection):
                    return psutil.Process(entry.pid)
            return None

        return until(f"a process has the role {role}", look, 10)

    def pids(self, role: str) -> set[int]:
        """Those that have the role now; none while it is being brought back."""
        return {one.pid for one in self.entries() if one.role == role}

    def kill(self, role: str, connection: str | None = None) -> int:
        """`kill -9`, and see that it arrived; the pid."""
        process = self.process(role, connection)
        self.killed_at = time.time()
        process.send_signal(signal.SIGKILL)
        until(f"{role} {process.pid} is dead", partial(gone, process), 5)
        return process.pid

    def family(self) -> Iterator[psutil.Process]:
        """Every process of this instance, also those in no process file."""
        pids = {entry.pid for entry in (*self.entries(), *processes.strays(self.data))}
        mark = str(self.data)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid == os.getpid():
                    continue
                if (
                    process.pid in pids
                    or any(mark in word for word in process.cmdline())
                    or any(mark in value for value in process.environ().values())
                ):
                    yield process

    def kill_everything(self, *, spare: Sequence[int] = ()) -> list[int]:
        """`kill -9` of the whole instance at once, but this test and the pids to `spare`; what they started meanwhile, too."""
        kept = {*_ancestors(os.getpid()), *spare}
        killed: list[int] = []
        self.killed_at = time.time()
        while family := [one for one in self.family() if one.pid not in kept and not gone(one)]:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            for process in family:
                until(f"{process.pid} is dead", partial(gone, process), 10)
            killed += [process.pid for process in family]
        return killed

    def answered(self) -> None:
        """Notes what connections owe, before one of them is deleted: a socket that is closed owes nothing."""
        answers.CHECK.ask(str(self.simulator.base_url))

    def end(self) -> None:
        """Stop the instance; processes that do not stop are killed, and that is a failure.

        All of it is killed where the limit of a test's time strikes meanwhile: it strikes once.
        """
        try:
            answers.CHECK.end(str(self.simulator.base_url))
            with suppress(subprocess.TimeoutExpired):
                self.teimoso("down", timeout=60)
            left = self.kill_everything()
        except BaseException:
            self.kill_everything()
            raise
        finally:
            self.api.close()
            self.simulator.close()
            leaks.closing(self.data, ray_head.temporary(self.data))
        assert not left, f"`teimoso down` left {left} running"

    def pair(self, connection: str, number: str, **more: str) -> None:
        """Create a connection and scan its QR with the simulator's phone."""

        def made() -> bool:
            """A connection of this id that was deleted just now may still be being removed."""
            answer = self.api.post("/api/connections", json={"id": connection, **more})
            being_removed = "still being removed" in answer.text
            assert answer.status_code == 201 or being_removed, answer.text
            return not being_removed

        until(f"the id {connection} is free", made, 20)
        self.simulator.post("/phones", json={"number": number}).raise_for_status()
        qr = until("a QR to scan", lambda: self.qr(connection), 60)
        scanned = self.simulator.post(f"/phones/{number}/scan", json={"qr": qr})
        assert scanned.status_code < 300, scanned.text
        until(f"{connection} is open", lambda: self.connection(connection)["state"] == "open", 60)

    def qr(self, connection: str) -> str | None:
        answer = self.api.get(
            f"/api/connections/{connection}/qr", headers={"Accept": "application/json"}
        )
        if answer.status_code != 200:
            return None
        text: str = answer.json()["qr"]
        return text

    def connection(self, connection: str) -> dict[str, Any]:
        found: dict[str, Any] = (
            self.api.get(f"/api/connections/{connection}").raise_for_status().json()
        )
        return found

    def incarnation(self, connection: str) -> str:
        """Its id below the API: in Redis, in the store, in the logs and under ``sessions/``."""
        return str(self.connection(connection)["incarnation"])

    def message(self, message: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/api/messages/{message}").raise_for_status().json()
        return found

    def messages(self, **query: str) -> list[dict[str, Any]]:
        """Every message that the query finds, through all pages."""
        items: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = (
                self.api.get(
                    "/api/messages", params={**query, **({"after": after} if after else {})}
                )
                .raise_for_status()
                .json()
            )
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def inbox(self, contact: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (
            self.simulator.get(f"/contacts/{contact}/inbox").raise_for_status().json()["items"]
        )
        return items

    def say(self, contact: str, to: str, text: str) -> str:
        said = self.simulator.post(f"/contacts/{contact}/say", json={"to": to, "text": text})
        identity: str = said.raise_for_status().json()["id"]
        return identity


def _ancestors(pid: int) -> set[int]:
    return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
