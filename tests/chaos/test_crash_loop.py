"""A connection that is killed whenever it serves, while another one carries its load (G8, G9).

After ten short lives it is given up, with an alert, and nobody else is any the worse for it; a
person who asks has it back at once, and what waited for it goes out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from supervision import roster
from tests.chaos.judge import judge
from tests.chaos.traffic import Traffic
from tests.instance import Instance, until
from tests.integration.tree.head import kill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

LOOPING, BUSY, ACCOUNT = "looping", "busy", "15550100011"
LIMIT = 10
"""The default of MAX_RESTARTS."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("loop")
    environment = {
        "RESTART_BACKOFF_BASE": "100",
        "RESTART_BACKOFF_CAP": "300",
        "HEALTH_CHECK_INTERVAL": "1000",
    }
    with Instance(data, environment) as running:
        running.pair(LOOPING, "15550100001")
        running.pair(BUSY, ACCOUNT)
        yield running


def owner(instance: Instance) -> int | None:
    for entry in roster.read(instance.data):
        if entry.connection == LOOPING:
            return entry.pid
    return None


def alerts(instance: Instance) -> set[tuple[str, str | None]]:
    found = instance.api.get("/health").json()["alerts"]
    return {(one["name"], one["connection"]) for one in found}


def send(instance: Instance, text: str) -> str:
    body = {"connection": LOOPING, "to": "15550160001", "type": "text", "text": text}
    answer = instance.api.post("/api/messages", json=body)
    assert answer.status_code == 202, answer.text
    identity: str = answer.json()["id"]
    return identity


def test_ten_short_lives_are_enough_and_nobody_else_notices(
    instance: Instance, figure: Figure
) -> None:
    before = {name: instance.connection(name) for name in (LOOPING, BUSY)}
    killed: list[int] = []
    with Traffic(instance, BUSY, ACCOUNT) as traffic:
        traffic.flow()
        begun_at = time.time()
        waiting = []
        while instance.connection(LOOPING)["state"] != "failed":
            assert len(killed) <= LIMIT + 1, "it is never given up"
            pid = owner(instance)
            if pid is not None and pid not in killed:
                kill(pid)
                killed.append(pid)
                waiting.append(send(instance, f"after kill {len(killed)}"))
            time.sleep(0.05)
            assert time.time() < begun_at + 120
        seconds = time.time() - begun_at
        given_up = instance.connection(LOOPING)
        assert given_up["cause"] == "crash_loop"
        until(
            "it is an alert",
            lambda: ("connection_failed", LOOPING) in alerts(instance) or None,
            15,
        )
        asked = time.monotonic()
        recovered = instance.api.post("/api/connections/recover", json={"connection": LOOPING})
        assert recovered.json()["items"] == [LOOPING]
        until("it is open", lambda: instance.connection(LOOPING)["state"] == "open" or None, 10)
        again = time.monotonic() - asked

        def settled() -> bool:
            states = {instance.message(each)["status"] for each in waiting}
            return states <= {"sent", "delivered", "read"}

        until("what waited is sent", lambda: settled() or None, 20)
        until(
            "the alert is over",
            lambda: ("connection_failed", LOOPING) not in alerts(instance) or None,
            15,
        )
    verdict = judge(traffic, begun_at)
    figure(
        f"{len(killed)} short lives in {seconds:.1f} s: given up; asked for: open after "
        f"{again:.1f} s; beside it {verdict}"
    )
    verdict.require_clean()
    assert len(killed) == LIMIT + 1, "ten may be answered with a restart, the next one may not"
    after = instance.connection(BUSY)
    assert (after["state"], after["epoch"]) == ("open", before[BUSY]["epoch"])
    assert instance.connection(LOOPING)["epoch"] == before[LOOPING]["epoch"] + LIMIT + 1
    texts = [item["text"] for item in instance.inbox("15550160001")]
    assert texts == [f"after kill {number}" for number in range(1, LIMIT + 2)]
