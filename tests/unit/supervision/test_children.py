"""A pid is one on its own host only: elsewhere it is somebody else's process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors import hosts
from supervision.children import Child

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def actor() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title of an actor's."""
    words = ["ray::ConnectionActor", "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(words, executable=sys.executable) as started:
        time.sleep(0.05)
        yield started
        started.kill()


def child(pid: int | None, node: str | None) -> Child:
    handle: Any = "an actor"
    return Child("connection", handle, pid=pid, node=node)


def test_a_child_on_this_host_is_killed(actor: subprocess.Popen[bytes]) -> None:
    assert child(actor.pid, hosts.here()).kill()
    assert actor.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("node", ["elsewhere", None])
def test_a_stranger_that_has_the_pid_here_is_left_alone(
    actor: subprocess.Popen[bytes], node: str | None
) -> None:
    assert not child(actor.pid, node).kill()
    time.sleep(0.05)
    assert actor.poll() is None
