"""`teimoso upgrade` under traffic: all of it is made anew, one connection at a time, and nothing is lost."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.instance import API_KEY
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP, becomes, fault, start, struck
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(300)]
SECOND, OTHER = "second", "15550100003"
RENEWED = ("keeper", "root", "queue", "state", "health", "standby", "gateway")
KEPT = ("valkey", "simulator", "ray")


@pytest.fixture
def second(instance: Instance) -> Iterator[str]:
    instance.pair(SECOND, OTHER)
    yield SECOND
    instance.api.delete(f"/api/connections/{SECOND}").raise_for_status()
    until("it is gone", lambda: not owners(instance).get(SECOND), 30)


class Traffic(threading.Thread):
    """Messages both ways of both accounts, and which connections were away together meanwhile."""

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self._instance = instance
        self._over = threading.Event()
        self.sent: list[str] = []
        self.said: list[str] = []
        self.away_together = 0
        self.looks = 0

    def run(self) -> None:
        number = 0
        headers = {"X-Api-Key": API_KEY}
        base = f"http://127.0.0.1:{self._instance.port}"
        with httpx.Client(base_url=base, headers=headers, timeout=15) as api:
            while not self._over.wait(0.2):
                number += 1
                for connection, account in ((SHOP, ACCOUNT), (SECOND, OTHER)):
                    text = f"out {connection} {number}"
                    body = {"connection": connection, "to": CONTACT, "text": text}
                    try:
                        if api.post("/api/messages", json=body).status_code == 202:
                            self.sent.append(text)
                    except httpx.TransportError:
                        pass  # not answered, so not promised: the gateway is being replaced
                    text = f"in {connection} {number}"
                    self._instance.say(CONTACT, account, text)
                    self.said.append(text)
                self._look(api)

    def stop(self) -> None:
        self._over.set()
        self.join(30)
        assert not self.is_alive()

    def _look(self, api: httpx.Client) -> None:
        try:
            items = api.get("/api/connections").json()["items"]
        except (httpx.TransportError, ValueError, KeyError):
            return
        self.looks += 1
        self.away_together += all(one["state"] != "open" for one in items)


def owners(instance: Instance) -> dict[str, int]:
    found = instance.status()["processes"]
    return {one["connection"]: one["pid"] for one in found if one["role"] == "connection"}


def pids(instance: Instance, roles: tuple[str, ...]) -> dict[str, set[int]]:
    return {role: instance.pids(role) for role in roles}


def test_all_of_it_is_made_anew_and_nothing_is_lost(instance: Instance, second: str) -> None:
    until("a standby waits", lambda: instance.pids("standby") or None, 30)
    before, kept, served = pids(instance, RENEWED), pids(instance, KEPT), owners(instance)
    assert set(served) == {SHOP, second}
    traffic = Traffic(instance)
    traffic.start()
    try:
        until("messages flow", lambda: len(traffic.sent) > 4, 20)
        begun = time.time()
        done = instance.teimoso("upgrade", "--json", "--pause", "0.5", timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        in_flight = len(traffic.sent)
    finally:
        traffic.stop()
    told: dict[str, Any] = json.loads(done.stdout)
    assert told == {
        "done": [
            "keeper",
            "root",
            "standbys, queue, state, health",
            f"connection {second}",
            f"connection {SHOP}",
            "gateway",
        ],
        "complete": True,
        "reason": None,
    }
    until("a standby waits", lambda: instance.pids("standby") or None, 30)
    for role, now in pids(instance, RENEWED).items():
        assert now, role
        assert not now & before[role], f"{role} was not made anew"
    now_served = owners(instance)
    assert all(now_served[each] != served[each] for each in (SHOP, second))
    assert pids(instance, KEPT) == kept
    assert not (instance.data / "run" / "upgrade").exists()

    def arrived() -> list[str]:
        return [item["text"] for item in instance.inbox(CONTACT) if item["text"] in expected]

    expected = set(traffic.sent)
    until("all that was accepted arrived", lambda: set(arrived()) == expected, 60)
    assert sorted(arrived()) == sorted(traffic.sent), "each once"
    for connection in (SHOP, second):
        said = {text for text in traffic.said if connection in text}
        stored = until(
            "all that was said is stored",
            partial(heard, instance, connection, said),
            60,
        )
        texts = [one["text"] for one in stored if one["text"] in said]
        assert sorted(texts) == sorted(said), "each once"
    assert traffic.looks > 5
    assert traffic.away_together == 0, "one connection at a time"
    assert in_flight > 10, f"too little flowed in {time.time() - begun:.0f} s"


def heard(instance: Instance, connection: str, said: set[str]) -> list[dict[str, Any]] | None:
    """What the connection has received, once all that was said to it is in it."""
    found = instance.messages(connection=connection, direction="in")
    return found if {one["text"] for one in found} >= said else None


@pytest.mark.long
def test_it_stops_at_a_connection_that_is_not_back_and_goes_on_from_there(
    instance: Instance,
) -> None:
    number = fault(instance, "reject_login", reason=403)
    before = pids(instance, ("keeper", "root", "gateway"))
    done = instance.teimoso("upgrade", "--json", "--within", "5", timeout=240)
    told = json.loads(done.stdout)
    assert struck(instance, number) == 1
    assert (done.returncode, told["complete"]) == (1, False)
    assert told["done"] == ["keeper", "root", "standbys, queue, state, health"]
    assert told["reason"].startswith("shop was open and is failed after 5 s")
    now = pids(instance, ("keeper", "root", "gateway"))
    assert now["gateway"] == before["gateway"], "it comes last"
    assert not now["keeper"] & before["keeper"]

    instance.simulator.delete("/faults")
    start(instance)
    becomes(instance, "open", None)
    owner = owners(instance)
    done = instance.teimoso("upgrade", "--json", timeout=240)
    told = json.loads(done.stdout)
    assert (done.returncode, told["done"]) == (0, ["standbys, queue, state, health", "gateway"])
    assert pids(instance, ("keeper", "root")) == {each: now[each] for each in ("keeper", "root")}
    assert owners(instance) == owner, "it runs the new code already"
