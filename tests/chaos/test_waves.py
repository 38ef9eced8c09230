"""Every connection of an instance killed at once: they come back in waves (G7, G8, G9).

One of them cannot: its login hangs, or its session file is held by somebody. It holds up no other,
and is back as soon as it can be.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

ACCOUNTS = {f"shop{number}": f"1555010000{number}" for number in range(8)}
BUSY, STUCK = "shop0", "shop3"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("waves")
    with Instance(data) as running:
        for connection, number in ACCOUNTS.items():
            running.pair(connection, number)
        yield running


@contextmanager
def login_hangs(instance: Instance) -> Iterator[None]:
    fault = {"account": ACCOUNTS[STUCK], "kind": "freeze"}
    instance.simulator.post("/faults", json=fault).raise_for_status()
    yield
    instance.simulator.delete("/faults").raise_for_status()


@contextmanager
def file_is_held(instance: Instance) -> Iterator[None]:
    """Another process holds the lock from before the death of the old owner until the end."""
    file = instance.data / "sessions" / instance.incarnation(STUCK) / "session.db"
    holder = sqlite3.connect(file, timeout=10, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@pytest.mark.parametrize("stuck", [login_hangs, file_is_held])
def test_all_killed_at_once_come_back_but_for_the_one_that_cannot(
    instance: Instance,
    stuck: Callable[[Instance], AbstractContextManager[None]],
    figure: Figure,
) -> None:
    instance.ready(60)
    before = {name: instance.connection(name)["epoch"] for name in ACCOUNTS}
    processes = instance.status()["processes"]
    owners = [psutil.Process(one["pid"]) for one in processes if one["role"] == "connection"]
    assert len(owners) == len(ACCOUNTS)
    back: dict[str, float] = {}
    with Trial(instance, BUSY, ACCOUNTS[BUSY], figure) as trial:
        with stuck(instance):
            trial.kill(*owners)
            begun = time.monotonic()

            def others() -> bool | None:
                for name in ACCOUNTS.keys() - back.keys():
                    now = instance.connection(name)
                    if now["state"] == "open" and now["epoch"] > before[name]:
                        back[name] = time.monotonic() - begun
                return back.keys() >= ACCOUNTS.keys() - {STUCK} or None

            until("all others are open", others, 60)
            assert STUCK not in back, "it was not stuck: this proves nothing"
            trial.traffic.flow()
        freed = time.monotonic()
        until("the stuck one is open", lambda: others() and STUCK in back, 60)
        late = time.monotonic() - freed
        others_back = sorted(seconds for name, seconds in back.items() if name != STUCK)
        trial.told = (
            f"{len(owners)} connections killed at once, one stuck ({stuck.__name__}): the others "
            f"open after {others_back[0]:.1f} … {others_back[-1]:.1f} s, the stuck one "
            f"{late:.1f} s after it could"
        )
    assert others_back[-1] <= 40
    assert all(instance.qr(name) is None for name in ACCOUNTS)
