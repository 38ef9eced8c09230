"""Killing by pid: only an actor, and only the process that had the lease (G6)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from actors.redis.leases.leases import Lease, Owner
from actors.runtime import host_identity, processes
from supervision.previous_owner import PreviousOwners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.children import Children
    from supervision.standbys import Standbys


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title of the parameter."""
    with subprocess.Popen(
        [request.param, "-c", "import time; time.sleep(60)"], executable=sys.executable
    ) as started:
        time.sleep(0.05)
        yield started
        started.kill()


actor = pytest.mark.parametrize("process", ["ray::ConnectionActor"], indirect=True)


@actor
def test_an_old_owner_is_ended(process: subprocess.Popen[bytes]) -> None:
    started = processes.start_of(process.pid)
    assert started is not None
    assert processes.end(process.pid, started, 5.0)
    assert process.wait(5) == -signal.SIGKILL
    assert processes.end(process.pid, started, 0.0)
    assert not processes.kill(process.pid)


@actor
def test_a_stopped_one_is_ended_as_well(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    assert processes.end(
        process.pid, processes.start_of(process.pid) or "", 5.0
    )  # a zombie is gone
    assert process.wait(5) == -signal.SIGKILL


@actor
def test_an_owner_is_ended_wherever_the_clock_is_set(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel whose clock steps ahead says of each process that it began so much later."""
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda each: began(each) + 365 * 86_400)
    owner = Owner(
        "connection:a", process.pid, host_identity.here(), processes.start_of(process.pid) or ""
    )
    lease = Lease("shop", 1, owner, "open", None, time.time(), 0.0, 0, None)
    owners = PreviousOwners(
        cast("Children", SimpleNamespace(pids=set())), cast("Standbys", None), None
    )
    assert asyncio.run(owners.end(lease)) == 0.0
    assert process.wait(5) == -signal.SIGKILL


@actor
def test_a_pid_that_was_given_away_again(process: subprocess.Popen[bytes]) -> None:
    assert processes.end(process.pid, processes.start_of(os.getpid()) or "", 1.0)
    assert process.poll() is None


@pytest.mark.parametrize("process", ["somebody"], indirect=True)
def test_a_stranger_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    assert processes.end(process.pid, processes.start_of(process.pid) or "", 1.0)
    assert not processes.kill(process.pid)
    assert process.poll() is None


@pytest.mark.parametrize(
    ("owner", "reachable"),
    [
        (Owner("connection:a", 1, host_identity.here()), True),
        (Owner("connection:a", 1, "elsewhere"), False),
        (Owner("connection:a", 1, host_identity.here() + "1"), False),
        (None, False),
    ],
)
def test_who_is_within_reach(owner: Owner | None, reachable: bool) -> None:
    lease = Lease("shop", 1, owner, "open", None, 0.0, 0.0, 0, None)
    assert processes.reachable(lease) is reachable


def test_a_pid_namespace_is_a_host_of_its_own() -> None:
    """Its pids mean other processes, whatever its name says."""
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("this system gives nobody a namespace")
    code = "from actors.runtime import host_identity; print(host_identity.here())"
    words = [sys.executable, "-c", code]
    elsewhere = subprocess.run([*apart, *words], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() != host_identity.here()
    here = subprocess.run(words, capture_output=True, text=True, check=True)
    assert here.stdout.strip() == host_identity.here()
