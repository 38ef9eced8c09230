"""A Ray head, a Valkey and a root of a test's own, started as the keeper starts them.

The test's own process never loads Ray: it reads the status file and the lease records.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import psutil

from actors.config.sources import resolve_settings
from actors.redis.change_notifications import poke
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.runtime.processes import start_of
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from supervision.keeper import process as processes
from supervision.keeper.parts import ports, python_module, ray_head
from supervision.reports import metrics_file, process_files
from tests.plain_http import NO_AUTHORITIES
from tests.processes import forked
from tests.processes.browser import apart
from tests.processes.valkey import PASSWORD, Valkey, free_port
from tests.run import answers, leaks
from tests.waits import eventually, until

if TYPE_CHECKING:
    from actors.redis.leases.leases import Lease
    from supervision.keeper.process import CommandLine

PROJECT = Path(__file__).resolve().parents[3]


class Head:
    """`ray start --head` in a short directory: Ray's sockets have paths of 107 bytes at most."""

    def __init__(self, **flags: Any) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="tmo-"))
        self.valkey = Valkey(self.data / "valkey")
        self._flags = flags
        self._head: subprocess.Popen[bytes] | None = None
        self._simulator: forked.Popen | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _start(self) -> None:
        self.valkey.start()
        where = self._simulate()
        self.settings = resolve_settings(
            data=self.data,
            whatsapp_url=where["ws_url"],
            whatsapp_root_key=where["root_key"],
            redis_host="127.0.0.1",
            redis_port=self.valkey.port,
            redis_password=PASSWORD,
            **self._flags,
        )
        self.settings.save()
        chosen = ports.settle({}, (), ports.candidates(self.data), ports.free)
        command = ray_head.command(self.data, chosen, dashboard=False)
        self._head = self._run(list(command.arguments), command)

        def started() -> bool:
            assert self._head is not None
            assert self._head.poll() is None, self.log()
            return not ports.free(chosen["ray_gcs"]) and self._run_task("start") == 0

        until("the tree is started", started, 40)

    def _simulate(self) -> dict[str, str]:
        """A WhatsApp server of its own; where it is and which key it signs with."""
        control = free_port()
        words = [sys.executable, "-m", "simulator", "--port", "0", "--control-port", str(control)]
        with (self.data / "simulator.log").open("wb") as log:
            self._simulator = forked.Popen(
                [*words, "--data", str(self.data / "simulator")], stderr=log, cwd=PROJECT
            )
        self.simulator = httpx.Client(
            base_url=f"http://127.0.0.1:{control}", timeout=10, verify=NO_AUTHORITIES
        )

        def answered() -> dict[str, str]:
            where: dict[str, str] = self.simulator.get("/").raise_for_status().json()
            return where

        where = until("the simulator answers", answered, 20)
        answers.CHECK.watch(str(self.simulator.base_url))
        return where

    def _run(self, words: list[str], command: CommandLine) -> subprocess.Popen[bytes]:
        with (self.data / "ray.log").open("ab") as log:
            return subprocess.Popen(
                words,
                env={
                    **os.environ,
                    **{k: v for k, v in command.environment.items() if v},
                    processes.INSTANCE_VARIABLE: str(self.data),
                    processes.PART_VARIABLE: "ray",
                },
                cwd=self.data,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _run_task(self, task: str) -> int:
        command = python_module.module(
            "supervision.keeper.ray_task",
            task,
            "--data",
            str(self.data),
            environment=ray_head.environment(self.data),
        )
        return self._run(list(command.arguments), command).wait(60)

    def stop(self) -> None:
        """Stops the root's actors, as `teimoso down` does."""
        assert self._run_task("stop") == 0, self.log()

    def begin(self) -> None:
        """Starts a root where there is none, as `teimoso up` does."""
        assert self._run_task("start") == 0, self.log()

    def log(self) -> str:
        file = self.data / "ray.log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    def family(self) -> list[psutil.Process]:
        """Every process of this head, also those that outlived it."""
        found = []
        for entry in processes.strays(self.data):
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(entry.pid))
        return found

    def end(self) -> None:
        try:
            if self._simulator is not None:
                answers.CHECK.end(str(self.simulator.base_url))
        finally:  # the limit of a test's time may strike meanwhile
            self._end_processes()

    def _end_processes(self) -> None:
        # A test may be a coroutine, and so have an event loop in this thread.
        apart(asyncio.run, processes.end_strays(self.data))
        if self._head is not None:
            self._head.kill()
            self._head.wait()
        if self._simulator is not None:
            self._simulator.kill()
            self._simulator.wait()
            self.simulator.close()
        self.valkey.kill()
        left = self.family()
        leaks.closing(self.data, ray_head.temporary(self.data))
        shutil.rmtree(ray_head.temporary(self.data), ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        assert not left, f"{left} outlived their head"


class Tree:
    """A running tree, and what a test asks it and does to it."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.redis = connect(head.settings)
        self.leases = Leases(self.redis)
        self.documents = open_documents(head.settings)
        self.connections = Connections(self.documents)

    async def close(self) -> None:
        await self.redis.aclose()
        await self.documents.close()

    async def create(self, *names: str) -> None:
        """Connections that have their names as ids."""
        for name in names:
            await self.connections.create(name, id=name)
        await poke(self.redis)

    async def create_new(self, name: str) -> str:
        """A connection with an id that none had before, as the API creates it; the id."""
        created = await self.connections.create(name)
        await poke(self.redis)
        return created.id

    def pids(self) -> dict[str, int]:
        """Pids of the living by role, or by `connection:ID`; standbys by number."""
        entries = process_files.read(self.head.data)
        standbys = [entry.pid for entry in entries if entry.role == "standby"]
        return {
            entry.role if entry.connection is None else f"connection:{entry.connection}": entry.pid
            for entry in entries
            if entry.role != "standby"
        } | {f"standby:{number}": pid for number, pid in enumerate(standbys)}

    def counted(self, name: str, **labels: str) -> float | None:
        """Returns the root's last value of a counter for Prometheus; None where there is no such series."""
        plain = metrics_file.read(self.head.data) or {"totals": []}
        found = [
            value
            for series, known, value in plain["totals"]
            if series == name and labels.items() <= known.items()
        ]
        return sum(found) if found else None

    async def until_counted(self, name: str, value: float | None, **labels: str) -> None:
        """Wait until the root wrote so much of a counter; None: until there is no such series."""

        def look() -> bool:
            return self.counted(name, **labels) == value

        await eventually(f"{name} is {value}", look, 10)

    async def pair(self, connection: str, number: str) -> None:
        """Scan the connection's QR with a phone."""
        self.head.simulator.post("/phones", json={"number": number}).raise_for_status()

        async def qr() -> tuple[str, float] | None:
            return await self.leases.qr(connection)

        text, _ = await eventually(f"{connection} shows a QR", qr, 60)
        scanned = self.head.simulator.post(f"/phones/{number}/scan", json={"qr": text})
        scanned.raise_for_status()
        await self.state(connection, "open")

    def inbox(self, contact: str) -> list[dict[str, Any]]:
        """Returns the messages that the contact received."""
        answer = self.head.simulator.get(f"/contacts/{contact}/inbox").raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def lease(self, connection: str) -> Lease:
        lease = await self.leases.read(connection)
        assert lease is not None
        return lease

    async def complete(self, *connections: str, standbys: int = 1) -> dict[str, int]:
        """Wait until services, standbys and these connections are there; all pids."""
        wanted = {"root", "queue", "state", "health"}
        wanted |= {f"connection:{name}" for name in connections}
        wanted |= {f"standby:{number}" for number in range(standbys)}

        async def look() -> dict[str, int] | None:
            pids = self.pids()
            return pids if wanted <= pids.keys() else None

        try:
            return await eventually("the tree is complete", look, 60)
        except AssertionError as error:
            missing = wanted - self.pids().keys()
            raise AssertionError(f"{error}; missing {missing}\n{self.head.log()}") from None

    async def newer(self, connection: str, than: Lease, seconds: float) -> tuple[Lease, float]:
        """The next epoch of the connection, and the seconds until it was there."""
        began = time.monotonic()

        async def look() -> Lease | None:
            lease = await self.lease(connection)
            return lease if lease.epoch > than.epoch else None

        try:
            lease = await eventually(f"{connection} has a new epoch", look, seconds)
        except AssertionError as error:
            now = await self.leases.read(connection)
            raise AssertionError(f"{error}; {now}\n{self.head.log()}") from None
        return lease, time.monotonic() - began

    async def removed(self, connection: str, seconds: float = 20) -> None:
        """Wait until nothing is known of a connection that was deleted."""

        async def look() -> bool:
            return await self.connections.get(connection, deleted=True) is None

        await eventually(f"{connection} is removed", look, seconds)

    async def state(self, connection: str, state: str, seconds: float = 20) -> Lease:
        async def look() -> Lease | None:
            lease = await self.leases.read(connection)
            return lease if lease is not None and lease.state == state else None

        return await eventually(f"{connection} is {state}", look, seconds)


def kill(pid: int) -> None:
    """`kill -9`, and see that it arrived."""
    os.kill(pid, signal.SIGKILL)
    until(f"{pid} is dead", lambda: start_of(pid) is None, 5)
