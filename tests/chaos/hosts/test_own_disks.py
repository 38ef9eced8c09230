"""Hosts that share no directory: one dies with its disk, and its sessions come from the bucket (G5 to G8).

Each host has a disk of its own, and the sessions that it serves on it. They share
Redis, the state store and the bucket. A message is acknowledged to WhatsApp once the state store has
it (`cloud`), so that no acknowledged message is lost with a host.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.runtime.connection_ids import name_of
from tests.chaos.harness.hosts.cluster import Cluster, ClusterInstance, restart_until
from tests.chaos.harness.trial import Trial
from tests.processes.gcs import BUCKET, Gcs
from tests.processes.instance import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

CONNECTIONS = {f"shop{number}": f"1555010000{number}" for number in range(1, 4)}

PAUSE = 0.3
"""Seconds between two messages of a lane while the host is down."""

BOUND = 60.0
"""The design's, in seconds from the death of a host until its connections are open elsewhere."""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with Gcs(tmp_path_factory.mktemp("outside") / "bucket") as server:
        yield server


@pytest.fixture(scope="module")
def cluster(bucket: Gcs) -> Iterator[Cluster]:
    with Cluster(STORAGE_EMULATOR_HOST=bucket.url) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def instance(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClusterInstance]:
    settings = {
        "SESSION_STORAGE_TYPE": "cloud",
        "STORAGE_BUCKET": BUCKET,
        "SESSION_ENCRYPTION_KEY": "5e" * 32,
        "SESSION_BACKUP_INTERVAL": "5000",
        "STANDBY_ACTORS": "2",
    }
    data: Path = tmp_path_factory.mktemp("own")
    far = cluster.join("far", instead_of=data)  # there before anything is placed
    assert far.disk is not None
    with ClusterInstance(data, cluster, **settings) as running:
        shutil.copytree(data / "simulator", far.disk / "simulator")  # who signs its media servers
        for connection, number in CONNECTIONS.items():
            running.pair(connection, number)
        yield running


def newest_copy(bucket: Gcs, incarnation: str) -> str:
    """Returns the name of the newest copy of a session in the bucket; empty where there is none."""
    directory = bucket.data / BUCKET / "sessions" / incarnation
    return max((each.name for each in directory.glob("*")), default="")


def restored(instance: ClusterInstance) -> Counter[str]:
    """Returns the restores of each connection from the bucket, on the instance's own host."""
    log = instance.data / "logs" / "connection.log"  # none where all of them are elsewhere
    lines = map(json.loads, log.read_text().splitlines() if log.exists() else ())
    return Counter(
        name_of(line["connection"])
        for line in lines
        if (line["action"], line.get("source")) == ("restore", "vault")
    )


def test_a_host_that_dies_with_its_disk_takes_nothing_along(
    instance: ClusterInstance, cluster: Cluster, bucket: Gcs, figure: Figure
) -> None:
    (node,) = cluster.nodes
    connection = restart_until(instance, CONNECTIONS, lambda: instance.served_on(node))
    there = instance.served_on(node)
    assert node.disk is not None
    assert not (node.disk / "state.db").exists(), (
        "what only this host has is not to be served there"
    )
    for name in there:
        session = Path("sessions") / instance.incarnation(name)
        assert (node.disk / session / "session.db").exists()
        # The files here are old or missing: only the bucket has the sessions that are served there.
        shutil.rmtree(instance.data / session, ignore_errors=True)
    copies = restored(instance)
    before = {name: instance.connection(name) for name in CONNECTIONS}
    incarnation = instance.incarnation(connection)
    copy = newest_copy(bucket, incarnation)
    with Trial(instance, connection, CONNECTIONS[connection], figure) as trial:
        # It is of the midst of conversations, whose ratchets turn on after it.
        until("another copy is made", lambda: newest_copy(bucket, incarnation) > copy, 60)
        trial.traffic.flow()
        # Queued messages may be undecryptable for the next owner, and are encrypted again, one by one:
        # the test is about that, and not about the speed of the simulator.
        trial.traffic.pause = PAUSE
        with trial.struck():
            dead = node.kill()
            killed_at = time.monotonic()
            node.lose_disk()
            assert not (node.disk / "sessions").exists()

        def back() -> bool | None:
            now = {name: instance.connection(name) for name in there}
            newer = all(now[name]["epoch"] > before[name]["epoch"] for name in there)
            return (newer and all(one["state"] == "open" for one in now.values())) or None

        until("all of it is open elsewhere", back, BOUND + 30)
        seconds = time.monotonic() - killed_at
        trial.traffic.flow()
        trial.told = (
            f"host of {len(dead)} processes killed and its disk lost: {len(there)} connections "
            f"open elsewhere, from the bucket, after {seconds:.1f} s"
        )
    assert seconds <= BOUND
    assert restored(instance) - copies >= Counter(there)
    for name in CONNECTIONS:
        assert instance.qr(name) is None
        if name not in there:
            assert instance.connection(name)["epoch"] == before[name]["epoch"], "disturbed"
