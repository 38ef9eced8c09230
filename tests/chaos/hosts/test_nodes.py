"""A second Ray node on the instance's own host, frozen as a whole under load (G6, G8, G9).

Its processes can be reached, so that no lease has to be waited out: the old owner is killed before
its successor begins, though it stands still.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.parts import ray_head
from supervision.ray_files import ADDRESS_FILE
from tests.chaos.harness.hosts.cluster import restart_until
from tests.chaos.harness.hosts.node import join
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, gone, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psutil

    from tests.chaos.harness.hosts.node import Node
    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

ACCOUNTS = {f"shop{number}": f"1555010000{number}" for number in range(4)}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("nodes")
    with Instance(data) as running:
        yield running


@contextmanager
def second_node(instance: Instance, place: Path) -> Iterator[Node]:
    address = (instance.data / ADDRESS_FILE).read_text().strip()
    node = join(place, address, ray_head.environment(instance.data), "second")
    try:
        yield node
    finally:
        node.end()


def owners(instance: Instance, node: Node) -> dict[str, psutil.Process]:
    """The processes of the node that serve a connection."""
    there = {each.pid: each for each in node.actors()}
    entries = instance.status()["processes"]
    return {
        one["connection"]: there[one["pid"]]
        for one in entries
        if one["pid"] in there and one["connection"]
    }


def test_a_frozen_node_within_reach_is_replaced_without_waiting(
    instance: Instance, tmp_path: Path, figure: Figure
) -> None:
    with second_node(instance, tmp_path) as node:
        for connection, number in ACCOUNTS.items():
            instance.pair(connection, number)
        instance.ready(60)
        busy = restart_until(instance, ACCOUNTS, lambda: list(owners(instance, node)))
        there = owners(instance, node)
        before = {name: instance.connection(name)["epoch"] for name in ACCOUNTS}
        with Trial(instance, busy, ACCOUNTS[busy], figure) as trial:
            with trial.struck():
                frozen = node.freeze()
            frozen_at = time.monotonic()

            def back() -> bool | None:
                now = {name: instance.connection(name) for name in there}
                newer = all(now[name]["epoch"] > before[name] for name in there)
                return (newer and all(one["state"] == "open" for one in now.values())) or None

            until("all of it is open elsewhere", back, 60)
            seconds = time.monotonic() - frozen_at
            assert all(gone(owner) for owner in there.values()), "two owners"
            trial.traffic.flow()
            node.thaw()
            until("nothing of it is left", lambda: not node.actors() or None, 60)
            trial.told = (
                f"node of {len(frozen)} processes frozen within reach: {len(there)} connections "
                f"open elsewhere after {seconds:.1f} s"
            )
        assert seconds <= 30, "it was waited out although it could be reached"
        for name in ACCOUNTS.keys() - there.keys():
            assert instance.connection(name)["epoch"] == before[name]
        assert all(instance.qr(name) is None for name in ACCOUNTS)
