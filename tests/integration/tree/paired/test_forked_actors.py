"""Ray's workers are forks of a template; without it the tree starts actors all the same (G6, G8)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from supervision.keeper.parts.worker_template import PROCESS_TITLE
from tests.integration.tree.head import kill
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.head import Tree
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(180)


async def next_of(tree: Tree, role: str) -> psutil.Process:
    """Kills the actor of a role; returns the process of the next one."""
    before = (await tree.complete())[role]
    kill(before)

    async def look() -> int | None:
        pid = tree.pids().get(role)
        return pid if pid != before else None

    return psutil.Process(await eventually(f"there is a {role} again", look, 40))


def processor_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def template_of(process: psutil.Process) -> psutil.Process:
    template = psutil.Process(process.ppid())
    assert template.name() == PROCESS_TITLE
    return template


def rank(pid: int) -> str:
    """Returns by how much the kernel prefers the process when it has no memory."""
    return Path(f"/proc/{pid}/oom_score_adj").read_text()


def own_memory(process: psutil.Process) -> float:
    """Returns megabytes, with the pages that processes share divided among them."""
    pss: int = process.memory_full_info().pss
    return pss / 2**20


async def test_all_actors_are_forks_that_ray_treats_as_workers(tree: Tree, figure: Figure) -> None:
    """Ray kills the group of a worker that ended, and has the kernel end workers before the head."""
    pids = await tree.complete("shop", "kiosk")
    ours = template_of(psutil.Process(pids["root"]))
    assert ours.num_threads() == 1
    assert ours.net_connections() == []
    for role, pid in pids.items():
        assert psutil.Process(pid).ppid() == ours.pid, role
        assert os.getpgid(pid) == pid, role
        assert rank(pid) == rank(ours.pid), role
    memory = {role: own_memory(psutil.Process(pid)) for role, pid in pids.items()}
    figure(
        f"memory of a connection {memory['connection:shop']:.0f} MB, all {sum(memory.values()):.0f} MB"
    )


async def test_actors_start_by_the_next_template(tree: Tree, figure: Figure) -> None:
    """The template dies: no connection notices, and the process of the next start is the next template."""
    forked = await next_of(tree, "standby:0")
    before = template_of(forked)
    figure(f"processor time of a standby {processor_time(forked):.2f} s")
    owners = [(await tree.lease(each)).owner for each in ("shop", "kiosk")]
    kill(before.pid)
    after = template_of(await next_of(tree, "standby:0"))
    assert after.pid != before.pid
    assert template_of(await next_of(tree, "health")) == after
    assert [(await tree.lease(each)).owner for each in ("shop", "kiosk")] == owners
