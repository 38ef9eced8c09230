"""Killing by pid: only an actor, and only the process that had the lease (G6)."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from actors.redis.lease import Lease, Owner
from supervision import processes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title of the parameter."""
    with subprocess.Popen(
        [request.param, "-c", "import time; time.sleep(60)"], executable=sys.executable
    ) as started:
        time.sleep(0.05)
        yield started
        started.kill()


def lease(pid: int, *, node: str | None = None, since: float | None = None) -> Lease:
    owner = Owner("connection:a", pid, node or platform.node())
    at = time.time() + 1 if since is None else since
    return Lease("shop", 1, owner, "open", None, at, at, 0, None)


@pytest.mark.parametrize("process", ["ray::ConnectionActor"], indirect=True)
def test_an_old_owner_is_found_and_killed(process: subprocess.Popen[bytes]) -> None:
    assert processes.old_owner(lease(process.pid), set()) == process.pid
    assert processes.kill(process.pid)
    assert process.wait(5) == -9
    assert processes.old_owner(lease(process.pid), set()) is None
    assert not processes.kill(process.pid)


@pytest.mark.parametrize("process", ["ray::ConnectionActor"], indirect=True)
def test_what_is_not_the_old_owner(process: subprocess.Popen[bytes]) -> None:
    pid = process.pid
    assert processes.old_owner(lease(pid), {pid}) is None, "a child of this root"
    assert processes.old_owner(lease(pid, node="elsewhere"), set()) is None, "not within reach"
    long_ago = lease(pid, since=time.time() - 60)
    assert processes.old_owner(long_ago, set()) is None, "the pid was given away again"


@pytest.mark.parametrize("process", ["somebody"], indirect=True)
def test_a_stranger_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    assert processes.old_owner(lease(process.pid), set()) is None
    assert not processes.kill(process.pid)
    assert process.poll() is None
