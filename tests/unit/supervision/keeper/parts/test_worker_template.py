"""The template of Ray's workers: each worker once, with all that its process was given, and never two for one."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from supervision.keeper.parts import worker_template
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = 30.0

WORKER = """
import json, os, sys
from pathlib import Path
from supervision.keeper.parts import worker_template

worker_template._ROOT = Path(sys.argv[2])
worker_template.RAY = worker_template.ACTOR = "supervision.keeper.parts.ports"
if worker_template.hand_over(sys.argv[1]):
    os._exit(0)
worker_template.serve(sys.argv[1])
facts = [os.getpid(), os.getppid(), sys.argv[3], os.environ["GIVEN"], os.getcwd()]
print(json.dumps(facts), flush=True)
sys.stdin.readline()
"""
"""The steps of `ray_worker`, with modules that import fast and a copy of the project without files."""


class Node:
    """A node of Ray, as far as workers see it: a raylet's pid, and processes that it starts."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "template")
        self.code = directory / "code"
        for package in ("actors", "gateway", "supervision"):
            (self.code / package).mkdir(parents=True)
        self.raylet = subprocess.Popen(["sleep", "600"])
        self.started: list[subprocess.Popen[str]] = []

    def start(self, given: str, directory: Path) -> list[Any]:
        """Starts a process for a worker; returns its pid, and what the worker prints of itself."""
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, self.address, str(self.code), given],
            env={**os.environ, "GIVEN": given, worker_template.RAYLET: str(self.raylet.pid)},
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout is not None
        return [process.pid, *json.loads(process.stdout.readline())]

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
            process.communicate("\n")  # the workers end, and with them its pipes


def seqpacket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


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
    first, pid, parent, *given = node.start("one", tmp_path)
    template = node.template()
    assert template.pid == first == parent != pid
    assert given == ["one", "one", str(tmp_path)]
    other = tmp_path / "other"
    other.mkdir()
    second, pid, parent, *given = node.start("two", other)
    assert parent == template.pid
    assert second != pid == os.getpgid(pid), "Ray kills the group of a worker that ended"
    assert given == ["two", "two", str(other)]
    assert node.started[1].wait(SOON) == 0
    os.kill(pid, signal.SIGKILL)
    until("it leaves no zombie", lambda: not psutil.pid_exists(pid), SOON)


def test_a_template_ends_with_its_raylet(node: Node, tmp_path: Path) -> None:
    node.start("one", tmp_path)
    template = node.template()
    node.raylet.kill()
    assert template.wait(SOON) == 0


def test_code_that_changed_on_the_disk_is_imported_anew(node: Node, tmp_path: Path) -> None:
    node.start("one", tmp_path)
    before = node.template()
    (node.code / "actors" / "added.py").write_text("x = 1\n")
    _, _, parent, *_ = node.start("two", tmp_path)
    assert parent != before.pid
    assert before.wait(SOON) == 0
    after = node.template()
    _, _, parent, *_ = node.start("three", tmp_path)
    assert parent == after.pid


def test_a_frozen_template_is_replaced(node: Node, tmp_path: Path) -> None:
    node.start("one", tmp_path)
    before = node.template()
    before.suspend()
    _, _, parent, *_ = node.start("two", tmp_path)
    assert parent != before.pid
    before.wait(SOON)
    assert node.template().pid != before.pid


def test_a_killed_template_is_replaced_and_its_workers_live(node: Node, tmp_path: Path) -> None:
    _, pid, *_ = node.start("one", tmp_path)
    before = node.template()
    before.kill()
    before.wait(SOON)
    assert psutil.pid_exists(pid)
    node.start("two", tmp_path)
    after = node.template()
    _, _, parent, *_ = node.start("three", tmp_path)
    assert parent == after.pid


def test_a_fork_whose_process_left_is_no_worker(node: Node, tmp_path: Path) -> None:
    """The process that asked may have become the worker by itself meanwhile."""
    node.start("one", tmp_path)
    template = node.template()
    asker = f"""
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect({node.address!r})
    start = [sys.executable, ["x", "", "", "never"], {{"GIVEN": "never"}}, "/"]
    socket.send_fds(connection, [json.dumps(start).encode()], [0, 1, 2])
    assert connection.recv(9) == b"ready"
"""
    done = subprocess.run(
        [sys.executable, "-c", asker], capture_output=True, text=True, timeout=SOON, check=True
    )
    assert done.stdout == ""
    until("the fork has ended", lambda: len(template.children()) == 1, SOON)


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b'["/bin/python", [], {}, "/"]'])
def test_a_request_that_is_none_forks_nothing(node: Node, tmp_path: Path, content: bytes) -> None:
    node.start("one", tmp_path)
    template = node.template()
    with seqpacket() as connection:
        connection.connect(node.address)
        connection.settimeout(SOON)
        connection.send(content)
        assert connection.recv(9) == b""
    _, _, parent, *_ = node.start("two", tmp_path)
    assert parent == template.pid
