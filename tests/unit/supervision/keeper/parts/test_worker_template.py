"""The template of Ray's workers: each worker once, with all that its process was given, and never two for one."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest

from supervision.keeper.parts import ray_worker
from supervision.keeper.parts.worker_template import PRELOADED_MODULES
from tests.unit.supervision.keeper.parts.worker_code import SLOW, WORKER
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 30.0

CODE = ray_worker.__file__


class Worker(NamedTuple):
    """A worker that runs: the process that Ray started, and the one that it is now."""

    started: int
    pid: int
    parent: int
    group: int
    state: dict[str, Any]


class Node:
    """A node of Ray, as far as workers see it: a raylet's pid, and processes that it starts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = str(directory / "template")
        self.code = directory / "code"
        for package in ("actors", "gateway", "supervision"):
            (self.code / package).mkdir(parents=True)
        self.gate = directory / "gate"
        self.gate.touch()
        (directory / "library").mkdir()
        (directory / "library" / "slow.py").write_text(SLOW.format(gate=str(self.gate)))
        self.raylet = subprocess.Popen(["sleep", "600"])
        self.started: list[subprocess.Popen[str]] = []

    def begin(self, given: str, where: Path | None = None, **more: str) -> subprocess.Popen[str]:
        """Starts a process for a worker."""
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, self.address, str(self.code), given, CODE],
            env={
                **os.environ,
                "GIVEN": "all",
                "PYTHONPATH": str(self.directory / "library"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "RAY_JOB_ID": given,
                ray_worker.RAYLET: str(self.raylet.pid),
                **more,
            },
            cwd=where or self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def start(self, given: str, where: Path | None = None, **more: str) -> Worker:
        """Starts a process for a worker; returns what the worker prints of itself."""
        return printed(self.begin(given, where, **more))

    def template(self) -> psutil.Process:
        """The process that listens."""

        def look() -> psutil.Process | None:
            with suppress(OSError), seqpacket() as connection:
                connection.connect(self.address)
                size = struct.calcsize("3i")
                peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
                return psutil.Process(struct.unpack("3i", peer)[0])
            return None

        return until("a template listens", look, SOON)

    def end(self) -> None:
        self.raylet.kill()
        self.raylet.wait()
        for process in self.started:
            assert process.stdin is not None
            process.stdin.close()  # the workers end
        for process in self.started:
            assert process.stdout is not None
            process.stdout.close()
            process.wait(SOON)


def printed(process: subprocess.Popen[str]) -> Worker:
    assert process.stdout is not None
    return Worker(process.pid, *json.loads(process.stdout.readline()))


def seqpacket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def wait_at_the_socket(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        files = Path(f"/proc/{process.pid}/fd")

        def look(files: Path = files) -> bool:
            with suppress(OSError):
                return any(str(each.readlink()).startswith("socket:") for each in files.iterdir())
            return False

        until("it waits at the socket", look, SOON)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    try:
        yield node
    finally:
        node.end()


def test_workers_are_forks_with_all_that_their_processes_were_given(
    node: Node, tmp_path: Path
) -> None:
    """The first process becomes the template, and its first fork the worker that it was to be."""
    first = node.start("01")
    template = node.template()
    assert template.pid == first.started == first.parent != first.pid
    assert first.state["given"] == ["01", "all", "01", str(tmp_path)]
    other = tmp_path / "other"
    other.mkdir()
    second = node.start("02", other)
    assert second.parent == template.pid
    assert second.started != second.pid
    assert second.state["given"] == ["02", "all", "02", str(other)]
    assert node.started[1].wait(SOON) == 0
    for worker in first, second:
        assert worker.group == worker.pid, "Ray kills the group of a worker that ended"


def test_forks_are_as_processes_that_import_for_themselves(node: Node) -> None:
    """No file, signal, mask, limit or thread of the template is in a worker."""
    first, second = node.start("01").state, node.start("01").state
    other = node.start("01", GIVEN="other", RAY_RAYLET_PID=str(os.getpid()))
    assert other.started == other.pid
    assert {**other.state, "given": first["given"]} == first == second


def test_processes_that_start_while_the_template_imports_are_its_forks(node: Node) -> None:
    """So a tree that starts imports once, and none of them polls."""
    node.gate.unlink()
    processes = [node.begin(str(number)) for number in range(4)]
    wait_at_the_socket(*processes)
    node.gate.touch()
    workers = [printed(each) for each in processes]
    assert {worker.parent for worker in workers} == {node.template().pid}


def test_a_template_that_dies_while_it_imports_is_replaced_by_one_that_waits(node: Node) -> None:
    node.gate.unlink()
    processes = [node.begin(str(number)) for number in range(4)]
    wait_at_the_socket(*processes)
    before = node.template()
    before.kill()
    [killed] = [each for each in processes if each.pid == before.pid]
    killed.wait(SOON)
    node.gate.touch()
    workers = [printed(each) for each in processes if each is not killed]
    assert {worker.parent for worker in workers} == {node.template().pid}


def test_no_start_is_lost_or_doubled_by_the_death_of_a_template(node: Node) -> None:
    """It dies at any moment of its life; each process that Ray started is one worker, but the template's own."""
    chance = random.Random(1)
    killed = set()
    for _ in range(6):
        processes = [node.begin("01") for _ in range(3)]
        with suppress(psutil.NoSuchProcess):
            template = node.template()
            with suppress(psutil.TimeoutExpired):
                template.wait(chance.random() * 0.5)
            template.kill()
            killed.add(template.pid)
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in processes:
            assert process.stdout is not None
            out = process.stdout.read().splitlines()
            assert len(out) == 1 or (not out and process.pid in killed)
    assert len(killed) == 6


def test_a_template_ends_with_its_raylet(node: Node) -> None:
    node.start("01")
    template = node.template()
    node.raylet.kill()
    assert template.wait(SOON) == 0


def test_a_template_ends_with_its_last_worker(node: Node) -> None:
    first = node.start("01")
    template = node.template()
    second = node.start("02")
    os.kill(first.pid, signal.SIGKILL)
    until("it leaves no zombie", lambda: not psutil.pid_exists(first.pid), SOON)
    assert node.template() == template
    os.kill(second.pid, signal.SIGKILL)
    assert template.wait(SOON) == 0


def test_code_that_changed_on_the_disk_is_imported_anew(node: Node) -> None:
    node.start("01")
    before = node.template()
    (node.code / "actors" / "added.py").write_text("x = 1\n")
    second = node.start("02")
    assert second.parent == second.started != before.pid
    assert before.wait(SOON) == 0
    assert node.start("03").parent == second.started == node.template().pid


def test_a_frozen_template_is_replaced(node: Node) -> None:
    node.start("01")
    before = node.template()
    before.suspend()
    second = node.start("02")
    assert second.parent == second.started
    assert before.wait(SOON) == -signal.SIGKILL
    assert node.template().pid == second.started


def test_a_killed_template_is_replaced_and_its_workers_live(node: Node) -> None:
    first = node.start("01")
    before = node.template()
    before.kill()
    before.wait(SOON)
    assert psutil.pid_exists(first.pid)
    second = node.start("02")
    assert node.start("03").parent == second.started == node.template().pid


@pytest.mark.parametrize("name", ["GIVEN", "RAY_health_check_period_ms", "PYTHONHASHSEED"])
def test_a_worker_with_another_environment_imports_for_itself(node: Node, name: str) -> None:
    """Ray and other libraries read their settings while they are imported."""
    first = node.start("01")
    second = node.start("02", None, **{name: "7"})
    assert second.pid == second.started
    assert node.start("03").parent == first.parent


def test_a_worker_finds_the_template_of_its_raylet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket of a second raylet of one session is beside that of the first."""
    monkeypatch.setenv(ray_worker.RAYLET, "1")
    found = {
        ray_worker.template_address(["worker.py", "--node-id=1", f"--raylet-name=/s/{name}"])
        for name in ("raylet", "raylet.1")
    }
    assert len(found) == 2
    assert max(map(len, map(str, found))) <= len("/s/plasma_store.1")
    assert ray_worker.template_address(["worker.py"]) is None
    monkeypatch.delenv(ray_worker.RAYLET)
    assert ray_worker.template_address(["worker.py", "--raylet-name=/s/raylet"]) is None


def test_each_raylet_of_a_host_has_a_template_of_its_own(node: Node, tmp_path: Path) -> None:
    first = node.start("01")
    (tmp_path / "b").mkdir()
    other = Node(tmp_path / "b")
    try:
        assert other.start("01").parent == other.template().pid != first.parent
        node.raylet.kill()
        psutil.Process(first.parent).wait(SOON)
        assert other.start("02").parent == other.template().pid
    finally:
        other.end()


def test_a_fork_whose_process_left_is_no_worker(node: Node, tmp_path: Path) -> None:
    """The process that asked may have become the worker by itself meanwhile."""
    node.start("01")
    template = node.template()
    environment = psutil.Process(node.started[0].pid).environ()
    asker = f"""
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect({node.address!r})
    start = (sys.executable, ["x", "", "", "never"], {environment!r}, "/")
    socket.send_fds(connection, [repr(start).encode()], [0, 1, 2])
    assert connection.recv(9) == b"ready"
"""
    done = subprocess.run(
        [sys.executable, "-c", asker], capture_output=True, text=True, timeout=SOON, check=True
    )
    assert done.stdout == ""
    until("the fork has ended", lambda: len(template.children()) == 1, SOON)


@pytest.mark.parametrize("content", [b"", b"no Python", b"[]", b'("/bin/python", [], {}, "/")'])
def test_a_request_that_is_none_forks_nothing(node: Node, content: bytes) -> None:
    node.start("01")
    template = node.template()
    with seqpacket() as connection:
        connection.connect(node.address)
        connection.settimeout(SOON)
        connection.send(content)
        assert connection.recv(9) == ray_worker.TEMPLATE_REFUSAL
    assert node.start("02").parent == template.pid


IDENTITY = """
import os, random, sys, uuid
from importlib import import_module
from supervision.keeper.parts import worker_imports, worker_template

worker_imports.prepare()
for module in worker_template.PRELOADED_MODULES:
    import_module(module)
assert worker_template.threads() == 1, "a fork lacks the threads of imports"
assert len(os.listdir("/proc/self/fd")) == 4, "forks share the files of imports"
for _ in range(2):
    if os.fork() == 0:
        from ray._raylet import ObjectRef, TaskID, UniqueID, WorkerID
        print(UniqueID.from_random().hex(), WorkerID.from_random().hex(), ObjectRef.from_random().hex())
        print(random.random(), uuid.uuid4().hex, os.urandom(4).hex())
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_the_modules_of_workers_can_be_forked() -> None:
    """They start no thread, and forks have identifiers and chance of their own."""
    done = subprocess.run(
        [sys.executable, "-c", IDENTITY], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert len(words) == len(set(words)) == 12


def test_a_process_that_hands_over_imports_next_to_nothing() -> None:
    """It loads neither Ray nor a package of the project: each start pays for it."""
    code = f"import sys; before = set(sys.modules); path = {ray_worker.__file__!r}; "
    code += "exec(compile(open(path).read(), path, 'exec'), {'__name__': 'worker'}); "
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SOON, check=True
    )
    loaded = set(done.stdout.split())
    assert "socket" in loaded
    assert not {each for each in loaded if each.split(".")[0] in {"actors", "supervision", "ray"}}
    assert not loaded & {"typing", "asyncio", "json", "pathlib", "re"}


def test_a_connections_process_imports_neither_engine_nor_session_itself() -> None:
    """Each would take a tenth of a second more, and 4 MB that it shares with nobody."""
    code = f"import sys; from importlib import import_module; [import_module(name) for name in {PRELOADED_MODULES!r}]"
    code += "; before = set(sys.modules); import actors.connection.whatsmeow.engine"
    code += "; import actors.connection.session.session; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
