"""A host of a Ray cluster, with process ids and a name of its own.

No process outside can end one of its processes by the pid that its actors report. A test acts from
outside, where it sees all pids.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from actors.runtime import host_identity
from supervision.keeper import process as processes
from supervision.keeper.parts import ports, ray_head
from tests.processes.instance import gone, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

START = 60.0

JOIN = """
import ray.scripts.scripts as command

class Joining:
    \"""What keeps Ray on loopback also keeps it from joining a head: only here it does not.\"""
    ENABLE_RAY_CLUSTER = True
    def __getattr__(self, name, constants=command.ray_constants):
        return getattr(constants, name)

command.ray_constants = Joining()
command.main()
"""


class Node:
    """One host of a cluster: a raylet, its agents and its workers."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        *,
        apart: str | None,
        disk: Path | None = None,
    ) -> None:
        """`apart` is its address if it is a host of its own.

        `disk`: what lies there in the place of the instance's directory, if that is not shared.
        """
        self.name = name
        self.address = apart
        self.disk = disk
        self._process = process
        self._apart = apart is not None

    @cached_property
    def host(self) -> str:
        """Returns `host_identity.here()` of the node."""
        if not self._apart:
            return host_identity.here()
        [first, *_] = psutil.Process(self._process.pid).children()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{self.name}/{boot}/{Path(f'/proc/{first.pid}/ns/pid').stat().st_ino}"

    @property
    def pid(self) -> int:
        """The process that began it."""
        return self._process.pid

    def processes(self) -> list[psutil.Process]:
        """All of it that lives."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            family = first.children(recursive=True) + ([] if self._apart else [first])
            return [each for each in family if not gone(each)]
        return []

    def actors(self, kind: str = "ConnectionActor") -> list[psutil.Process]:
        """Its connections and standbys, or those of another kind, by the titles of their processes."""
        found = []
        for each in self.processes():
            with suppress(psutil.Error):
                if f"ray::{kind}" in " ".join(each.cmdline()):
                    found.append(each)
        return found

    def outside(self, pid: int) -> psutil.Process:
        """The process that has `pid` over there."""
        for each in self.processes():
            status = Path(f"/proc/{each.pid}/status").read_text()
            [names] = [line.split() for line in status.splitlines() if line.startswith("NSpid")]
            if names[-1] == str(pid):
                return each
        raise AssertionError(f"no process {pid} on {self.name}")

    def kill(self) -> list[psutil.Process]:
        """`kill -9` of all of it, and see that it arrived."""
        return self._all(signal.SIGKILL, gone)

    def freeze(self) -> list[psutil.Process]:
        """Stop all of it at once, and see that it stands still."""
        return self._all(signal.SIGSTOP, lambda each: each.status() == psutil.STATUS_STOPPED)

    def lose_disk(self) -> None:
        """All that lay on it is gone, once nobody there lives who would write it anew."""
        assert self.disk is not None, f"{self.name} has none of its own"
        assert not self.processes(), f"{self.name} lives"
        shutil.rmtree(self.disk)

    def thaw(self, processes: Iterable[psutil.Process] | None = None) -> None:
        """Let these go on, and their children, or all of it."""
        for each in self.processes() if processes is None else list(processes):
            with suppress(psutil.NoSuchProcess):  # the first that wakes up may end the others
                for one in (*each.children(), each):
                    one.send_signal(signal.SIGCONT)

    def end(self) -> None:
        for each in self.processes():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.kill()
        self._process.wait()

    def _all(
        self, number: signal.Signals, arrived: Callable[[psutil.Process], bool]
    ) -> list[psutil.Process]:
        family = self.processes()
        assert family, f"{self.name} does not live"
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                until(f"{number.name} arrived at {each.pid}", partial(arrived, each), 5)
        return family


def join(
    place: Path,
    address: str,
    environment: Mapping[str, str],
    name: str,
    *,
    apart: str | None = None,
    instead_of: Path | None = None,
) -> Node:
    """A raylet more, once it listens; `apart` is its address if it is to be a host of its own.

    Such a one has a directory of its own under the path `instead_of`, an empty one.
    """
    of = ports.settle({}, (), ports.candidates(place / name), ports.free)
    disk = None
    flags = {
        "address": address,
        "node-ip-address": apart or "127.0.0.1",
        "node-manager-port": of["ray_node_manager"],
        "object-manager-port": of["ray_object_manager"],
        "dashboard-agent-listen-port": of["ray_agent"],
        "dashboard-agent-grpc-port": of["ray_agent_grpc"],
        "runtime-env-agent-port": of["ray_runtime_env"],
        "metrics-export-port": of["ray_metrics"],
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": 4,
        "object-store-memory": ray_head.OBJECT_STORE,
        "log-color": "false",
    }
    words = [sys.executable, "-P", "-c", JOIN, "start", "--block"]
    words += [f"--{flag}={value}" for flag, value in flags.items()]
    if apart is not None:
        user = () if os.getuid() == 0 else ("--user", "--map-root-user")
        wall = ["unshare", *user, "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # A directory of its own over Ray's: by what lies there a program finds its own raylet.
        alone = 'hostname "$0" && mount -t tmpfs none "$1" && shift && '
        over = [str(ray_head.temporary(place))]
        if instead_of is not None:
            disk = place / f"{name}-data"
            disk.mkdir(mode=0o700)
            alone += 'mount --bind "$1" "$2" && shift 2 && '
            over += [str(disk), str(instead_of)]
        words = [*wall, "sh", "-c", alone + 'exec "$@"', name, *over, *words]
    process = run(place, words, environment, name)
    node = Node(name, process, apart=apart, disk=disk)
    try:
        wait_for(place, of["ray_node_manager"], process, name, apart or "127.0.0.1")
    except BaseException:
        node.end()
        raise
    return node


def run(
    place: Path, words: Sequence[str], environment: Mapping[str, str], name: str
) -> subprocess.Popen[bytes]:
    with (place / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            words,
            env={
                **os.environ,
                **environment,
                "RAY_ADDRESS": "",
                processes.INSTANCE_VARIABLE: str(place),
                processes.PART_VARIABLE: "ray",
            },
            cwd=place,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for(
    place: Path,
    port: int,
    process: subprocess.Popen[bytes],
    name: str,
    address: str = "127.0.0.1",
) -> None:
    def listens() -> bool:
        assert process.poll() is None, (place / f"{name}.log").read_text(errors="replace")[-3000:]
        return not ports.free(port, address)

    until(f"{name} listens", listens, START)
