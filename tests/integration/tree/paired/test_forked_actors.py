"""Ray's workers are forks of a template; without it the tree starts actors as before (G6, G8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from supervision.keeper.parts.worker_template import TITLE
from tests.integration.tree.head import kill
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.tree.head import Head, Tree
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(180)


async def next_standby(tree: Tree) -> psutil.Process:
    """Kills the standby; returns the process of the next one."""
    before = (await tree.complete(standbys=1))["standby:0"]
    kill(before)

    async def look() -> int | None:
        pid = tree.pids().get("standby:0")
        return pid if pid != before else None

    return psutil.Process(await eventually("there is a standby", look, 40))


def processor_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def templates(head: Head) -> list[psutil.Process]:
    return [each for each in head.family() if each.name() == TITLE]


def is_template(process: psutil.Process | None) -> bool:
    return process is not None and process.name() == TITLE


async def test_actors_start_without_the_template_and_by_the_next_one(
    tree: Tree, head: Head, figure: Figure
) -> None:
    """The template dies: no connection notices, and the actor after the next is a fork again."""
    forked = await next_standby(tree)
    assert is_template(forked.parent())
    as_a_fork = processor_time(forked)
    owners = [(await tree.lease(each)).owner for each in ("shop", "kiosk")]
    [template] = templates(head)
    kill(template.pid)
    by_itself = processor_time(await next_standby(tree))
    await eventually("there is a template again", lambda: templates(head), 20)
    again = await next_standby(tree)
    assert is_template(again.parent())
    assert [(await tree.lease(each)).owner for each in ("shop", "kiosk")] == owners
    figure(f"processor time of a standby: {as_a_fork:.2f} s as a fork, else {by_itself:.2f} s")
