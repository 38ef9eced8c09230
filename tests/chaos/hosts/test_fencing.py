"""An owner that is frozen past its lease, out of everybody's reach, and thawed again (G6, G8).

The host on which it runs stands still as a whole; nobody can end its processes. Once its lease has
run out a successor serves. When the old one wakes up, whatever it had encrypted, claimed or in its
buffers is delivered at most once all the same, and it ends by itself.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest

from actors.config.settings import Settings
from actors.redis.leases.leases import EXPIRES
from actors.runtime.connection_ids import name_of
from supervision.keeper.manifest import Plan
from tests.chaos.harness.faults.outage import cut_off, frozen
from tests.chaos.harness.faults.reuse import FORMER_ACCOUNT, LATER_ACCOUNT, NAME, Reuse
from tests.chaos.harness.hosts.cluster import Cluster, ClusterInstance, restart_until
from tests.chaos.harness.trial import Trial
from tests.processes.instance import gone, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.harness.hosts.node import Node
    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

CONNECTIONS = {f"shop{number}": f"1555010000{number}" for number in range(1, 5)}

SERVICES = ("RootSupervisor", "StateManager", "QueueActor", "HealthMonitor")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Node:
    return cluster.join("far")


@pytest.fixture(scope="module")
def instance(
    cluster: Cluster, node: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterInstance]:
    del node  # there before anything is placed
    data: Path = tmp_path_factory.mktemp("far")
    with ClusterInstance(data, cluster, STANDBY_ACTORS="2") as running:
        for connection, number in CONNECTIONS.items():
            running.pair(connection, number)
        yield running


def frozen_between_commits(instance: ClusterInstance, node: Node) -> list[psutil.Process]:
    """Stop the host, but not while it holds the lock of a session file.

    That lock is the file system's, and no epoch takes it away: who stops inside a commit keeps a
    shared file from everybody for as long as it stands still.
    """
    served = map(instance.incarnation, instance.served_on(node))
    files = [instance.data / "sessions" / each / "session.db" for each in served]
    for _ in range(50):
        frozen = node.freeze()
        if not any(locked(file) for file in files):
            return frozen
        node.thaw()
        time.sleep(0.02)
    raise AssertionError("it commits without pause")


def talks(instance: ClusterInstance, process: psutil.Process) -> bool:
    """Whether its program has a socket to WhatsApp's server, one that the server closed included."""
    port = urlsplit(Settings.load(instance.data).whatsapp_url).port
    with suppress(psutil.NoSuchProcess):
        return any(
            each.raddr and each.raddr.port == port
            for program in process.children()
            for each in program.net_connections()
        )
    return False


def spoken_to(instance: ClusterInstance) -> set[int]:
    """The ports to which a connection's process speaks, but for Ray's.

    By those it hears that its host is given up, and Ray's own part in it ends it at once.
    """
    plan = Plan.load(instance.data)
    assert plan is not None
    return {port for part, port in plan.ports.items() if not part.startswith("ray")}


def let_go(instance: ClusterInstance) -> set[tuple[str, int]]:
    """Which connections an owner gave up because its lease ran out, and its pid, as it said itself."""
    lines = map(json.loads, (instance.data / "logs" / "connection.log").read_text().splitlines())
    return {
        (name_of(line["connection"]), int(line["by"].rpartition("/")[2]))
        for line in lines
        if line["action"] == "lapse"
    }


def locked(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as session:
        try:
            session.execute("BEGIN IMMEDIATE")
            session.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
    return False


def test_connections_are_placed_on_both(instance: ClusterInstance, node: Node) -> None:
    """Some of them far away, and not all: the other tests need both."""
    restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    restart_until(
        instance, CONNECTIONS, lambda: sorted(CONNECTIONS.keys() - set(instance.served_on(node)))
    )
    far = instance.served_on(node)
    assert 0 < len(far) < len(CONNECTIONS), instance.hosts()


def test_the_root_and_the_services_stay_where_the_keeper_is(
    instance: ClusterInstance, node: Node
) -> None:
    """They share its files; they were put there, and are again when they die."""
    for _ in range(2):
        assert not any(node.actors(kind) for kind in SERVICES)
        root = instance.kill("root")
        until("the next root is there", partial(instance.pids, "root"), 20)
        assert root not in instance.pids("root")
    assert not any(node.actors(kind) for kind in SERVICES)


@pytest.mark.parametrize("killed", ["alone", "with all there"])
def test_a_killed_owner_elsewhere_is_replaced_at_once(
    instance: ClusterInstance, node: Node, figure: Figure, killed: str
) -> None:
    """An actor on the same host, made for it where none is left, says that the old one is gone: no lease is waited for."""
    connection = restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    before = instance.connection(connection)
    owner = node.outside(instance.hosts()[connection][1])
    with Trial(instance, connection, CONNECTIONS[connection], figure) as trial:
        trial.kill(*(node.actors() if killed == "with all there" else [owner]))
        killed_at = time.monotonic()
        until(
            "another one serves",
            lambda: instance.connection(connection)["epoch"] > before["epoch"] or None,
            EXPIRES / 2,
        )
        seconds = time.monotonic() - killed_at
        until("it is open", lambda: instance.connection(connection)["state"] == "open", 20)
        trial.told = f"owner on another host killed {killed}: next epoch after {seconds:.1f} s"


@pytest.mark.parametrize("root", ["here", "there"])
def test_an_owner_that_thaws_after_its_successor_began_changes_nothing(
    instance: ClusterInstance, cluster: Cluster, node: Node, figure: Figure, root: str
) -> None:
    """Also where the root stands still with it, and the next one saw nobody fall."""
    if root == "there":
        node = cluster.join("beyond")  # Ray takes no host back that it has given up
        instance.move_root(node)
    connection = restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    far = {(name, pid) for name, (host, pid) in instance.hosts().items() if host == node.host}
    near = CONNECTIONS.keys() - {name for name, _ in far}
    before = {name: instance.connection(name) for name in CONNECTIONS}
    with Trial(instance, connection, CONNECTIONS[connection], figure) as trial:
        traffic = trial.traffic
        with trial.struck():
            still = frozen_between_commits(instance, node)
        frozen_at = time.monotonic()
        old = node.actors()
        assert old
        assert bool(node.actors("RootSupervisor")) == (root == "there")

        until(
            "it is noticed",
            lambda: instance.connection(connection)["state"] == "reconnecting" or None,
            30,
        )
        noticed = time.monotonic() - frozen_at

        def back() -> bool | None:
            now = [instance.connection(name) for name in CONNECTIONS]
            newer = [each for each in now if each["epoch"] > before[each["id"]]["epoch"]]
            there = len(newer) == len(CONNECTIONS) - len(near)
            return (there and all(each["state"] == "open" for each in now)) or None

        until("all are open elsewhere", back, 60)
        seconds = time.monotonic() - frozen_at
        assert seconds > EXPIRES - 12, "it was not waited for"  # the last renewal, and the look
        traffic.flow()
        assert not any(gone(each) for each in old), "what is dead proves nothing"
        # They let go within moments of waking up.
        assert any(talks(instance, each) for each in old), "nothing is to be fenced"
        traffic.surge()
        thawed_at = time.monotonic()
        for each in old:
            cut_off(each, spoken_to(instance))
        node.thaw(old)  # and not Ray, which would end them
        until(
            "the old owners let go by themselves",
            lambda: not any(talks(instance, each) for each in old),
            30,
        )
        ended = time.monotonic() - thawed_at
        assert far <= let_go(instance), "it was not they who ended it"
        node.thaw()
        until("nothing of them is left", lambda: not node.actors("") or None, 60)
        traffic.calm()
        traffic.flow()
        trial.told = (
            f"host of {len(still)} processes frozen, root {root}: noticed after {noticed:.1f} s, "
            f"{len(CONNECTIONS) - len(near)} connections open elsewhere after {seconds:.1f} s; "
            f"thawed: let go by themselves after {ended:.1f} s"
        )
    [process] = instance.pids("root")
    assert "ray::RootSupervisor" in " ".join(psutil.Process(process).cmdline())
    for name in CONNECTIONS:
        after = instance.connection(name)
        assert after["state"] == "open"
        assert instance.qr(name) is None
        if name in near:
            assert after["epoch"] == before[name]["epoch"], "one on this host was disturbed"
        else:
            assert after["epoch"] == before[name]["epoch"] + 1


def claimed(instance: ClusterInstance) -> int:
    """Returns the number of messages of `NAME` that its owner has claimed."""
    lanes = instance.api.get("/api/queue").raise_for_status().json()["items"]
    return next(int(lane["active"]) for lane in lanes if lane["connection"] == NAME)


def all_open(instance: ClusterInstance) -> bool:
    return all(instance.connection(name)["state"] == "open" for name in CONNECTIONS)


def test_owners_that_cannot_renew_let_go_and_go_on(
    instance: ClusterInstance, cluster: Cluster, figure: Figure
) -> None:
    """G6, G11: Redis is away for longer than a lease. It might be so for these owners alone."""
    connection = next(iter(CONNECTIONS))
    node = cluster.join("distant")
    restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    before = {name: instance.connection(name) for name in CONNECTIONS}
    serving = instance.owners()
    away = [instance.process("keeper"), instance.process("valkey")]  # the one restarts the other
    with Trial(instance, connection, CONNECTIONS[connection], figure) as trial:
        with trial.during(frozen(*away)):
            away_at = time.monotonic()
            until(
                "all still talk", lambda: all(talks(instance, each) for each in serving) or None, 1
            )
            until(
                "none talks any more",
                lambda: not any(talks(instance, each) for each in serving),
                60,
            )
            seconds = time.monotonic() - away_at
        back_at = time.monotonic()

        until("all are open again", lambda: all_open(instance), 30)
        again = time.monotonic() - back_at
        trial.traffic.flow()
        trial.told = (
            f"Redis away with several hosts: sockets closed after {seconds:.1f} s, open again "
            f"{again:.1f} s after it is back"
        )
    assert seconds > EXPIRES * 2 / 3 - 2, "closed although the lease held"
    for name in CONNECTIONS:
        assert instance.connection(name)["epoch"] == before[name]["epoch"], "nobody else came"


def test_a_host_that_dies_is_waited_out_and_replaced(
    instance: ClusterInstance, cluster: Cluster, figure: Figure
) -> None:
    """Nobody can see whether it is dead or only cut off."""
    node = cluster.join("farther")
    connection = restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    before = instance.connection(connection)
    with Trial(instance, connection, CONNECTIONS[connection], figure) as trial:
        with trial.struck():
            dead = node.kill()
        killed_at = time.monotonic()

        def back() -> bool | None:
            now = instance.connection(connection)
            return (now["epoch"] > before["epoch"] and now["state"] == "open") or None

        until("it is noticed", lambda: instance.connection(connection)["state"] != "open", 30)
        noticed = time.monotonic() - killed_at
        until("it is open elsewhere", back, 60)
        seconds = time.monotonic() - killed_at
        trial.traffic.flow()
        trial.told = (
            f"host of {len(dead)} processes killed: noticed after {noticed:.1f} s, open elsewhere "
            f"after {seconds:.1f} s"
        )
    assert instance.qr(connection) is None


def test_a_frozen_owner_whose_connection_is_deleted_sends_nothing_for_the_next_of_its_name(
    instance: ClusterInstance, cluster: Cluster, figure: Figure
) -> None:
    """G12: messages that the frozen owner claimed leave from its own account or are cancelled."""
    node = cluster.join(
        "third"
    )  # the others may be frozen already, and Ray takes none of those back
    reuse = Reuse(instance, 1)
    reuse.open(FORMER_ACCOUNT)
    reuse.send_some()
    restart_until(instance, [NAME], lambda: [NAME] if NAME in instance.served_on(node) else [])
    owner = node.outside(instance.hosts()[NAME][1])
    fault = {"account": FORMER_ACCOUNT, "kind": "swallow"}
    instance.simulator.post("/faults", json=fault).raise_for_status()
    with reuse.sending():
        until("the owner has claimed some", lambda: claimed(instance) > 0, 20)
        frozen_between_commits(instance, node)
        old = node.actors()
        frozen_at = time.monotonic()
        assert talks(instance, owner), "the frozen owner has no socket"
        assert claimed(instance) > 0
        reuse.delete()
        reuse.open(LATER_ACCOUNT)
        seconds = time.monotonic() - frozen_at
        node.thaw(old)
        until("the old owner lets go", lambda: not talks(instance, owner), 30)
        node.thaw()
    violation = reuse.violation()
    figure(f"owner frozen, its connection deleted: the next of the name open after {seconds:.1f} s")
    assert violation is None
    reuse.delete()
    instance.simulator.delete("/faults").raise_for_status()
    until("all are open", lambda: all_open(instance), 60)
