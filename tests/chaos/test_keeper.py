"""The keeper on a whole instance: whatever dies is there again, and nothing else is touched (G8).

Each test but the last leaves the instance ready; that one stops it, so this file runs last.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import psutil
import pytest

from supervision.keeper.manifest import Plan
from supervision.keeper.parts import ray_head
from tests.processes.instance import TEIMOSO, Instance, gone
from tests.waits import until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def instance(running: Instance) -> Instance:
    running.ready(60)
    until("a standby waits", lambda: running.pids("standby"), 60)
    return running


def pids(status: dict[str, Any]) -> dict[str, int]:
    """The first pid of each role."""
    found: dict[str, int] = {}
    for entry in status["processes"]:
        found.setdefault(entry["role"], entry["pid"])
    return found


def test_a_gateway_that_stands_still_is_replaced(instance: Instance) -> None:
    before = pids(instance.ready(60))
    frozen = instance.process("gateway")
    frozen.send_signal(signal.SIGSTOP)
    until("the frozen gateway is dead", partial(gone, frozen), 40)

    def again() -> dict[str, int] | None:
        instance.api.get("/health/live").raise_for_status()
        now = pids(instance.status())
        return now if now.get("gateway", frozen.pid) != frozen.pid else None

    after = until("another gateway answers", again, 30)
    assert {**after, "gateway": 0} == {**before, "gateway": 0}


def test_a_stopped_keeper_leaves_all_running_and_the_next_attaches(instance: Instance) -> None:
    before = pids(instance.ready(60))
    for number in (signal.SIGKILL, signal.SIGTERM):
        keeper = instance.process("keeper")
        keeper.send_signal(number)
        until("the keeper is gone", partial(gone, keeper), 10)
        assert not instance.status()["ready"]
        told = instance.teimoso("up", "--detach", "--json")
        assert told.returncode == 0, told.stderr
        assert "attached" in told.stdout
        after = pids(instance.ready(30))
        assert after.pop("keeper") != keeper.pid
        assert after == {role: pid for role, pid in before.items() if role != "keeper"}


def test_a_second_keeper_is_refused(instance: Instance) -> None:
    before = pids(instance.ready(60))
    second = subprocess.run(
        [sys.executable, "-m", "supervision.keeper", "--data", str(instance.data)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith("Another keeper has the data directory")
    assert pids(instance.ready(30)) == before


def test_what_cannot_be_had_while_it_runs_is_refused(instance: Instance) -> None:
    for words in (("--port", "1"), ("--no-simulate",)):
        refused = instance.teimoso("up", "--detach", *words)
        assert refused.returncode == 1
        assert "`teimoso down` first" in refused.stderr


def test_it_listens_on_loopback_alone(instance: Instance) -> None:
    listening = [
        connection.laddr
        for process in instance.family()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 10
    assert {address.ip.removeprefix("::ffff:") for address in listening} <= {"127.0.0.1", "::1"}


def test_ray_runs_without_its_dashboard_until_it_is_opened(instance: Instance) -> None:
    """A job opens it as well, and finds the one that is open."""
    names = {process.name() for process in instance.family()}
    assert "gcs_server" in names
    assert not {name for name in names if name.startswith("ray-dashboard")}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(instance, "ray_dashboard")))
    assert "dashboard" not in instance.status()["addresses"]
    listed = instance.teimoso("jobs", "list", "--json")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, {"items": []})
    opened = instance.teimoso("dashboard", "--print")
    assert instance.status()["addresses"]["dashboard"] == opened.stdout.strip()
    ended = instance.teimoso("jobs", "run", "redrive", "--dry-run")
    assert ended.returncode == 0, ended.stderr


def test_secrets_are_for_the_owner_alone(instance: Instance) -> None:
    for name in ("runtime.json", "ray/token", "valkey/valkey.conf", "valkey/password"):
        assert stat.S_IMODE((instance.data / name).stat().st_mode) == 0o600, name
    secret = (instance.data / "valkey" / "password").read_text()
    token = (instance.data / "ray" / "token").read_text()
    for process in instance.family():
        words = " ".join(process.cmdline())
        assert secret not in words
        assert token not in words
    with socket.create_connection(("127.0.0.1", port_of(instance, "valkey"))) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")


def test_what_is_written_is_for_the_owner_alone(instance: Instance) -> None:
    """G10: sessions, messages and logs, too; for any user and umask."""
    instance.pair("private", "15550107101")
    instance.api.post(
        "/api/messages", json={"connection": "private", "to": "15550107102", "text": "hi"}
    ).raise_for_status()
    places = (instance.data, (instance.data / "sessions").resolve())
    found = (path for place in places for path in place.rglob("*"))
    written = [path for path in found if path.is_file() or path.is_dir()]
    names = {path.name for path in written}
    assert {"session.db", "state.db", "gateway.log", "connection.log", "appendonlydir"} <= names
    modes = {}
    for path in written:
        with suppress(FileNotFoundError):  # written aside, and renamed meanwhile
            modes[path] = stat.S_IMODE(path.stat().st_mode)
    assert [path for path, mode in modes.items() if mode & 0o077] == []
    assert instance.api.delete("/api/connections/private").status_code == 204
    until("it is gone", lambda: instance.api.get("/api/connections/private").status_code == 404, 10)
    until("its process ended", lambda: len(instance.pids("connection")) == 1, 30)


def test_a_dead_ray_head_leaves_nothing_behind(instance: Instance) -> None:
    """Its actors may not go on beside those of the next one (G6), which comes soon (G8)."""
    before = instance.ready(60)
    processes = []
    for entry in before["processes"]:
        if entry["role"] not in ("keeper", "gateway", "valkey", "simulator"):
            with suppress(psutil.NoSuchProcess):  # Ray ended one that it had too many
                processes.append(psutil.Process(entry["pid"]))
    assert len(processes) > 8
    instance.kill("ray")

    def another() -> bool:
        return not instance.pids("root") <= {pids(before)["root"]}

    begun = time.monotonic()
    until("another Ray head with its root", another, 45)
    after = instance.ready(45 - (time.monotonic() - begun))
    assert all(gone(process) for process in processes)
    for role in ("keeper", "gateway", "valkey", "simulator"):
        assert pids(after)[role] == pids(before)[role]


def test_all_of_it_comes_back_under_an_up_that_stayed(instance: Instance) -> None:
    """The instance outlives its terminal, whose close sends SIGHUP; the head has other code than the last one.

    The latter is so after an upgrade.
    """
    instance.ready(60)
    with subprocess.Popen(
        [TEIMOSO, "up", "--data", str(instance.data)],
        env={**os.environ, **instance.environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as stayed:
        assert stayed.stdout is not None
        try:
            assert any("Ctrl-C stops all of it." in line for line in stayed.stdout)
            until("a standby waits", lambda: instance.pids("standby"), 60)
            before = pids(instance.status())
            stayed.send_signal(signal.SIGSTOP)  # it looks again once all of it is dead
            try:
                instance.kill_everything(spare=[stayed.pid])
                (instance.data / ray_head.CODE_DIGEST_FILE).write_text("other")
            finally:
                stayed.send_signal(signal.SIGCONT)
            told = stayed.stdout.readline()
            assert told == "All of it was gone; a new keeper starts it again.\n"
            instance.ready(120)
            until("a standby waits", lambda: instance.pids("standby"), 60)
            after = pids(instance.status())
            assert after.keys() == before.keys()
            assert not set(after.values()) & set(before.values())
        finally:
            stayed.send_signal(signal.SIGHUP)
    assert pids(instance.ready(60)) == after


def test_down_leaves_nothing(instance: Instance) -> None:
    instance.ready(60)
    family = list(instance.family())
    assert len(family) > 15
    done = instance.teimoso("down")
    assert done.returncode == 0, done.stderr
    assert [process for process in family if not gone(process)] == []
    assert not instance.status()["processes"]
    assert "Nothing" in instance.teimoso("down").stdout


def port_of(instance: Instance, name: str) -> int:
    plan = Plan.load(instance.data)
    assert plan is not None
    return plan.ports[name]
