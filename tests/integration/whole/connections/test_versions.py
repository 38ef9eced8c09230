"""A version of WhatsApp Web that ends while a connection runs: what follows, and who hears of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, SHOP, becomes, fault, start
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

DAYS = 86_400

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


def version(instance: Instance, **changes: Any) -> dict[str, Any]:
    answer = instance.simulator.post("/version", json=changes).raise_for_status()
    described: dict[str, Any] = answer.json()
    return described


@pytest.fixture
def newer(instance: Instance) -> Iterator[str]:
    """A version above the one that ``shop`` announces; afterwards all is as before, and it is open."""
    before = version(instance)
    head, _, revision = announced(instance).rpartition(".")
    yield f"{head}.{int(revision) + 1000}"
    instance.simulator.delete("/faults")
    version(instance, **{name: before[name] for name in ("current", "oldest", "ends")})
    if instance.connection(SHOP)["state"] == "failed":
        start(instance)
    becomes(instance, "open", None)


def announced(instance: Instance) -> str:
    seen: str = instance.simulator.get(f"/accounts/{ACCOUNT}").json()["version"]
    return seen


def test_a_connection_whose_version_is_refused_goes_on_with_the_current_one(
    instance: Instance, newer: str
) -> None:
    before = version(instance, current=newer, oldest=newer)["refused"]
    fault(instance, "drop")

    def seen() -> dict[str, Any] | None:
        found = instance.connection(SHOP)
        ended = found["state"] == "failed"
        return found if ended or (found["state"], announced(instance)) == ("open", newer) else None

    found = until(f"{SHOP} is open again, or gave up", seen, 60)
    assert (found["state"], found["cause"]) == ("open", None)
    assert version(instance)["refused"] > before, "nothing was refused"


def test_an_end_that_is_announced_is_an_alert_in_time(instance: Instance, newer: str) -> None:
    """Days before the version ends; the page, which would have a newer one, is away.

    It is one for all connections, which announce the same version, and critical within three days.
    """
    fault(instance, "page_fails")
    version(instance, current=newer, ends=int(time.time()) + 2 * DAYS)
    fault(instance, "drop")

    def seen() -> bool:
        active = instance.api.get("/health").raise_for_status().json()["alerts"]
        found = [
            (one["connection"], one["severity"])
            for one in active
            if one["name"] == "version_expires"
        ]
        return found == [(None, "critical")]

    until("it is an alert", seen, 10)
    assert instance.connection(SHOP)["version_ends_at"] is not None
