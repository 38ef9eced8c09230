"""Classes of actors in Ray's head: one for each role (G13), and an older one does not limit the installed code."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.parts import ray_head
from tests.integration.tree.head import kill
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.head import Head, Tree

pytestmark = pytest.mark.timeout(180)

COUNT = """
import sys
from pathlib import Path
from actors.config.settings import Settings
from supervision import cluster
cluster.connect(Settings.load(Path(sys.argv[1])))
from ray._private.ray_constants import KV_NAMESPACE_FUNCTION_TABLE
from ray.experimental.internal_kv import _internal_kv_list
print(len(_internal_kv_list(b"ActorClass", namespace=KV_NAMESPACE_FUNCTION_TABLE)))
"""

OLDER = """
import asyncio, sys
from pathlib import Path
from actors.config.settings import Settings
from supervision import actor_classes, cluster

async def main(data):
    cluster.connect(Settings.load(data))
    del actor_classes.class_of("vault").peers
    tree = cluster.Cluster(data)
    handle = await tree.create("vault", "older")
    try:
        assert not hasattr(handle.raw, "peers")
        assert await handle.call("peers", settings=None, within=60) is None
        assert "uptime" in await handle.health(20)
        for call in (handle.call("of_a_later_release", within=20), handle.call("stop", 1, within=20)):
            try:
                await call
            except (AttributeError, TypeError) as error:
                print(type(error).__name__)
    finally:
        await tree.kill(handle)

asyncio.run(main(Path(sys.argv[1])))
"""


def stored_classes(head: Head) -> int:
    """Classes of actors that Ray's head has."""
    return int(run(COUNT, head)[-1])


def run(program: str, head: Head) -> list[str]:
    """The words that a program prints in a process of its own: this one never loads Ray."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(head.data)],
        env={**os.environ, **ray_head.environment(head.data)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


async def test_g13_a_new_actor_brings_no_new_class(tree: Tree, head: Head) -> None:
    before = await asyncio.to_thread(stored_classes, head)
    assert before > 0
    standbys = set[int]()
    for _ in range(2):
        [standby] = [pid for name, pid in tree.pids().items() if name.startswith("standby")]
        standbys.add(standby)
        kill(standby)

        async def another(gone: int = standby) -> bool:
            pids = tree.pids()
            return "standby:0" in pids and pids["standby:0"] != gone

        await eventually("another standby is there", another, 60)
    assert len(standbys) == 2
    assert await asyncio.to_thread(stored_classes, head) == before


@pytest.mark.usefixtures("tree")
async def test_a_method_that_an_older_class_lacks_is_called_all_the_same(head: Head) -> None:
    """The actor itself runs the installed code, so that only what this lacks is an error."""
    assert await asyncio.to_thread(run, OLDER, head) == ["AttributeError", "TypeError"]
