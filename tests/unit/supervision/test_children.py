"""Whom the root may end, and when it may begin or end anybody."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors import hosts
from actors.connection.vault.reach import Reach
from supervision.children import Child, Children
from supervision.cluster import Cluster, NoAnswer
from supervision.policy import Probes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


class ReplacedError(Exception):
    """Where a root that another one replaced would end."""


def children(tmp_path: Path) -> Children:
    async def confirm() -> None:
        raise ReplacedError

    return Children(
        Cluster(tmp_path),
        Probes(interval=0.01, failures=1),
        None,
        Reach(None),
        confirm=confirm,
        on_end=lambda _child, _end: None,
        on_told=lambda _child, _told: None,
        on_gone=lambda _child: None,
        on_change=lambda: None,
    )


async def test_a_replaced_root_begins_nobody(tmp_path: Path) -> None:
    """G6: its successor has them already, under the same names."""
    with pytest.raises(ReplacedError):
        await children(tmp_path).create("state")


class Silent:
    """A handle of an actor that answers nothing."""

    async def health(self, _within: float) -> dict[str, Any]:
        raise NoAnswer("silent")


async def test_a_replaced_root_ends_nobody_for_its_silence(
    tmp_path: Path, actor: subprocess.Popen[bytes]
) -> None:
    """G6: what did not answer a root that stood still may answer its successor."""
    silent: Any = Silent()
    probed = Child("connection", silent, pid=actor.pid, node=hosts.here())
    with pytest.raises(ReplacedError):
        await children(tmp_path)._probe(probed)
    assert not probed.hung
    assert actor.poll() is None
