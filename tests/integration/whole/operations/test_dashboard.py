"""Ray's dashboard as `docs/operations.md` describes it: names of the actors, before and after a takeover."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from supervision.ray_files import TOKEN
from tests.integration.whole.shop import SHOP, becomes
from tests.plain_http import NO_AUTHORITIES
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(300)]
STANDS_BY = "ray::ConnectionActor"
REFRESH = 2.0
"""Seconds between two looks at the page: Ray's own answer is as old as that at times."""
RENEWED = 30 + 15 + 2
"""Seconds until the page shows a change: Ray looks at the processes, renews the page, and repeats an answer so often."""
LOOKS = 3
"""Looks of Ray's of which one finds no process in a call: meanwhile the title of each is the call's (`.health`)."""


@pytest.fixture
def dashboard(instance: Instance) -> Iterator[httpx.Client]:
    opened = instance.teimoso("dashboard", "--print")
    assert opened.returncode == 0, opened.stderr
    token = (instance.data / TOKEN).read_text().strip()
    with httpx.Client(
        base_url=opened.stdout.strip(),
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
        verify=NO_AUTHORITIES,
    ) as client:
        yield client


def titles(dashboard: httpx.Client) -> dict[int, str]:
    """The workers of the page "Cluster", by pid."""
    nodes = dashboard.get("/nodes?view=summary").raise_for_status().json()["data"]["summary"]
    node = nodes[0]["raylet"]["nodeId"]
    detail = dashboard.get(f"/nodes/{node}").raise_for_status().json()["data"]["detail"]
    return {one["pid"]: " ".join(filter(None, one["cmdline"])) for one in detail["workers"]}


def actor(dashboard: httpx.Client, pid: int, state: str) -> dict[str, Any] | None:
    """One of the page "Actors"."""
    asked = dashboard.get("/api/v0/actors", params={"detail": 1, "limit": 1000})
    found = asked.raise_for_status().json()["data"]["result"]["result"]
    return next((one for one in found if (one["pid"], one["state"]) == (pid, state)), None)


def log(dashboard: httpx.Client, of: dict[str, Any]) -> str:
    asked = {"actor_id": of["actor_id"], "suffix": "out"}
    return dashboard.get("/api/v0/logs/file", params=asked).raise_for_status().text


def title(instance: Instance, role: str) -> str:
    return " ".join(filter(None, instance.process(role).cmdline()))


def test_it_tells_whom_a_process_serves_as_far_as_ray_can(
    instance: Instance, dashboard: httpx.Client
) -> None:
    shop = instance.incarnation(SHOP)
    serving = f"{STANDS_BY} {shop}, program "  # and its pid

    def shown() -> tuple[int, int] | None:
        """The pids of the owner and of the standby, once the page has both as they are now."""
        owners, waiting = instance.pids("connection"), instance.pids("standby")
        seen = titles(dashboard)
        for owner in owners:
            for standby in waiting:
                if seen.get(owner, "").startswith(serving) and seen.get(standby) == STANDS_BY:
                    return owner, standby
        time.sleep(REFRESH)
        return None

    before, standby = until("the workers are shown", shown, LOOKS * RENEWED)
    instance.kill("connection", SHOP)
    until("it took over", lambda: instance.pids("connection") == {standby}, 20)
    becomes(instance, "open", None)
    until("its title tells it", lambda: title(instance, "connection").startswith(serving), 10)
    fell = until("one is shown as dead", partial(actor, dashboard, before, "DEAD"), 20)
    assert "its worker process has died" in str(fell["death_cause"])
    serves = actor(dashboard, standby, "ALIVE")
    assert serves is not None
    for one in (fell, serves):
        assert one["class_name"] == "ConnectionActor"
        assert one["name"].startswith("connection:"), "as it was called when it stood by"
        assert one["repr_name"] == f"<{one['name']}>"
        assert f"serves {shop} under epoch" in log(dashboard, one)
    root = actor(dashboard, instance.process("root").pid, "ALIVE")
    assert root is not None
    assert (root["name"], root["repr_name"]) == ("root", "<root>")
