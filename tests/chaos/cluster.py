"""A Ray cluster that is not the instance's own, with nodes that are hosts of their own.

Such a node has its own process ids and its own name: nobody outside can end one of its processes
by the pid that its actors tell. What a test does to it, it does from outside, where it sees all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from actors import hosts
from actors.redis.client import connect
from actors.redis.lease import Leases
from actors.settings import Settings
from supervision.keeper import ports, rayhead
from tests import leaks
from tests.instance import Instance, gone, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

START = 60.0
STARTED = "Ray runtime started"

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

MOVE = """
import sys, time
from pathlib import Path
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from actors.settings import Settings
from supervision import cluster

data, address = Path(sys.argv[1]), sys.argv[2]
cluster.connect(Settings.load(data))
there = None
while there is None:
    known = {each["NodeManagerAddress"]: each["NodeID"] for each in ray.nodes()}
    there = known.get(address)
cluster._place = lambda role: NodeAffinitySchedulingStrategy(there, soft=True)
ray.kill(cluster.find_root().raw, no_restart=True)
while cluster.find_root() is not None:
    time.sleep(0.05)
cluster.start_root(data)
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
        """What `hosts.here()` is over there."""
        if not self._apart:
            return hosts.here()
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
        """Let these go on, or all of it."""
        for each in self.processes() if processes is None else processes:
            each.send_signal(signal.SIGCONT)

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
        "object-store-memory": rayhead.OBJECT_STORE,
        "log-color": "false",
    }
    words = [sys.executable, "-P", "-c", JOIN, "start", "--block"]
    words += [f"--{flag}={value}" for flag, value in flags.items()]
    if apart is not None:
        user = () if os.getuid() == 0 else ("--user", "--map-root-user")
        wall = ["unshare", *user, "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # A directory of its own over Ray's: by what lies there a program finds its own raylet.
        alone = 'hostname "$0" && mount -t tmpfs none "$1" && shift && '
        over = [str(rayhead.temporary(place))]
        if instead_of is not None:
            disk = place / f"{name}-data"
            disk.mkdir(mode=0o700)
            alone += 'mount --bind "$1" "$2" && shift 2 && '
            over += [str(disk), str(instead_of)]
        words = [*wall, "sh", "-c", alone + 'exec "$@"', name, *over, *words]
    process = _run(place, words, environment, name)
    node = Node(name, process, apart=apart, disk=disk)
    try:
        _await(place, of["ray_node_manager"], process, name, apart or "127.0.0.1")
    except BaseException:
        node.end()
        raise
    return node


def _run(
    place: Path, words: list[str], environment: Mapping[str, str], name: str
) -> subprocess.Popen[bytes]:
    with (place / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            words,
            env={**os.environ, **environment, "RAY_ADDRESS": ""},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await(
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


def _began(log: Path) -> bool:
    said = log.read_text(errors="replace")
    return STARTED in said or "Exception: " in said


class Cluster:
    """A head on this host, and as many nodes as `join` is called for."""

    def __init__(self, **environment: str) -> None:
        """`environment` is what every process on every host finds in its own, besides."""
        self._more = environment
        # Ray's sockets have paths of 107 bytes at most.
        self.place = Path(tempfile.mkdtemp(prefix="tmo-", dir="/tmp"))
        self.nodes: list[Node] = []
        self._head: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._ports = ports.settle({}, (), ports.candidates(self.place), ports.free)
            command = rayhead.command(self.place, self._ports)
            words = [
                word.replace("dashboard=true", "dashboard=false") for word in command.arguments
            ]
            self._environment = {**command.environment, **self._more}
            self._head = _run(self.place, words, self._environment, "head")
            _await(self.place, self._ports["ray_gcs"], self._head, "head")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports['ray_gcs']}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process has to have that joins it."""
        return {
            **rayhead.environment(self.place),
            **self._more,
            "RAY_ADDRESS": self.address,
        }

    def join(self, name: str, *, instead_of: Path | None = None) -> Node:
        """Another host; returns when Ray has taken it in.

        It shares the instance's directory, or has one of its own `instead_of` that. On a busy
        machine a raylet may end while it starts, and another one is tried.
        """
        for attempt in range(3):
            node = join(
                self.place,
                self.address,
                self._environment,
                called := f"{name}{attempt or ''}",
                apart=f"127.0.0.{len(self.nodes) + 2}",  # Ray tells hosts apart by their addresses
                instead_of=instead_of,
            )
            self.nodes.append(node)
            log = self.place / f"{called}.log"
            until("it has begun, or has ended", partial(_began, log), START)
            if STARTED in log.read_text(errors="replace"):
                return node
        raise AssertionError(f"{name} does not join")

    def end(self) -> None:
        for node in self.nodes:
            node.end()
        token = str(self.place / rayhead.TOKEN)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = process.environ().get("RAY_AUTH_TOKEN_PATH") == token
                if mine and process.pid != os.getpid():
                    process.kill()
        if self._head is not None:
            self._head.kill()
            self._head.wait()
        leaks.closing(self.place, rayhead.temporary(self.place))
        shutil.rmtree(rayhead.temporary(self.place), ignore_errors=True)
        shutil.rmtree(self.place, ignore_errors=True)


class ClusterInstance(Instance):
    """An instance whose actors run on a cluster that it does not own."""

    def __init__(self, data: Path, cluster: Cluster, **settings: str) -> None:
        super().__init__(data, {**cluster.environment, **settings})
        self.cluster = cluster

    def family(self) -> Iterator[psutil.Process]:
        """Not the hosts themselves, though what began one may name the directory."""
        began = {node.pid for node in self.cluster.nodes}
        return (each for each in super().family() if each.pid not in began)

    def hosts(self) -> dict[str, tuple[str, int]]:
        """Where each connection is served, and under which pid there.

        The lease says so. The roster is a file that follows, and names for a while who died on
        another host.
        """
        return asyncio.run(self._hosts())

    async def _hosts(self) -> dict[str, tuple[str, int]]:
        listed = self.api.get("/api/connections").raise_for_status().json()["items"]
        redis = connect(Settings.load(self.data))
        try:
            leases = await Leases(redis).read_all([each["id"] for each in listed])
        finally:
            await redis.aclose()
        owners = {name: lease.owner for name, lease in leases.items()}
        return {name: (one.node, one.pid) for name, one in owners.items() if one is not None}

    def move_root(self, node: Node) -> None:
        """End the root, and have Ray make it over there, as if it had been begun there."""
        assert node.address is not None
        environment = {**os.environ, **self.cluster.environment}
        words = [sys.executable, "-P", "-c", MOVE, str(self.data), node.address]
        subprocess.run(words, env=environment, check=True, timeout=60)
        until("the root is over there", lambda: node.actors("RootSupervisor"), 30)
        roster = self.data / "run" / "tree.json"
        until("it has adopted", lambda: node.host in roster.read_text() or None, 30)

    def served_on(self, node: Node) -> list[str]:
        return [name for name, (host, _) in self.hosts().items() if host == node.host]


def restart_until(
    instance: Instance, connections: Iterable[str], there: Callable[[], Sequence[str]]
) -> str:
    """Restart one after the other until `there` names one: where each is placed is Ray's to say."""
    if found := there():
        return found[0]
    for _ in range(6):
        for name in connections:
            epoch = instance.connection(name)["epoch"]
            instance.api.post(f"/api/connections/{name}/restart").raise_for_status()

            def again(name: str = name, epoch: int = epoch) -> bool | None:
                now = instance.connection(name)
                return (now["epoch"] > epoch and now["state"] == "open") or None

            until(f"{name} is open again", again, 40)
            if found := there():
                return found[0]
    raise AssertionError("nothing is placed there")
