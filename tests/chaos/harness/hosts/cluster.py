"""A Ray cluster that is not the instance's own, with nodes that are hosts of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from actors.config.settings import Settings
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.runtime.connection_ids import name_of
from supervision.keeper import process as processes
from supervision.keeper.parts import ports, ray_head
from tests.chaos.harness.hosts.node import START, Node, join, run, wait_for
from tests.processes.instance import Instance, until
from tests.run import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

STARTED = "Ray runtime started"

MOVE = """
import sys, time
from pathlib import Path
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from actors.config.settings import Settings
from supervision import cluster

data, address = Path(sys.argv[1]), sys.argv[2]
cluster.connect(Settings.load(data))
there = None
while there is None:
    known = {each["NodeManagerAddress"]: each["NodeID"] for each in ray.nodes()}
    there = known.get(address)
cluster._place = lambda *_: NodeAffinitySchedulingStrategy(there, soft=True)
ray.kill(cluster.find_root().raw, no_restart=True)
while cluster.find_root() is not None:
    time.sleep(0.05)
cluster.start_root(data)
"""


def _began(log: Path) -> bool:
    said = log.read_text(errors="replace")
    return STARTED in said or "Exception: " in said


class Cluster:
    """A head on this host, and as many nodes as `join` is called for."""

    def __init__(self, **environment: str) -> None:
        """`environment` is what every process on every host finds in its own, besides."""
        self._more = environment
        # Ray's sockets have paths of 107 bytes at most.
        self.place = Path(tempfile.mkdtemp(prefix="tmo-"))
        self.nodes: list[Node] = []
        self._head: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._ports = ports.settle({}, (), ports.candidates(self.place), ports.free)
            command = ray_head.command(self.place, self._ports, dashboard=False)
            self._environment = {**command.environment, **self._more}
            self._head = run(self.place, command.arguments, self._environment, "head")
            wait_for(self.place, self._ports["ray_gcs"], self._head, "head")
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
        """Returns the environment of a process that joins the cluster."""
        return {
            **ray_head.environment(self.place),
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
        asyncio.run(processes.end_strays(self.place))
        if self._head is not None:
            self._head.kill()
            self._head.wait()
        left = processes.strays(self.place)
        leaks.closing(self.place, ray_head.temporary(self.place))
        shutil.rmtree(ray_head.temporary(self.place), ignore_errors=True)
        shutil.rmtree(self.place, ignore_errors=True)
        assert not left, f"{left} outlived their cluster"


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

        From the lease: the process files lag behind, and list a dead process of another host for a while.
        """
        return asyncio.run(self._hosts())

    async def _hosts(self) -> dict[str, tuple[str, int]]:
        listed = self.api.get("/api/connections").raise_for_status().json()["items"]
        redis = connect(Settings.load(self.data))
        try:
            leases = await Leases(redis).read_all([each["incarnation"] for each in listed])
        finally:
            await redis.aclose()
        owners = {name_of(each): lease.owner for each, lease in leases.items()}
        return {name: (one.node, one.pid) for name, one in owners.items() if one is not None}

    def owners(self) -> list[psutil.Process]:
        """The processes that serve connections, on all hosts."""
        nodes = {node.host: node for node in self.cluster.nodes if node.processes()}
        return [
            nodes[host].outside(pid) if host in nodes else psutil.Process(pid)
            for host, pid in self.hosts().values()
        ]

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
