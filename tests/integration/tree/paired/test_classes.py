"""G13: what Ray's head stores for good does not grow with the number of actors that were ever made."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.parts import ray_head
from tests.integration.tree.head import kill
from tests.waiting import eventually

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


def stored_classes(head: Head) -> int:
    """Classes of actors that Ray's head has, asked by a process of its own: this one never loads Ray."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(head.data)],
        env={**os.environ, **ray_head.environment(head.data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


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
