"""The wall clock jumps by an hour, forward and backward, under load (G2, G4, G5, G8).

The clock of every Python process of the service jumps; that of Valkey and that of WhatsApp do not,
as on machines whose clocks disagree. The jump prolongs nothing: connections, leases,
backoff, schedules, retention.
"""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import ACCOUNT, BACKOFF, CONNECTION
from tests.chaos.harness.faults.outage import health
from tests.chaos.harness.records import alerts
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)

HOUR = 3600.0


@pytest.fixture(autouse=True)
def right_in_the_end(instance: Instance) -> Iterator[None]:
    yield
    set_clock(instance, 0.0)


def set_clock(instance: Instance, offset: float) -> None:
    """Let the service's clock be wrong by `offset` seconds from now on."""
    with Path(instance.environment["TEST_CLOCK"]).open("r+b") as file:
        file.write(struct.pack("d", offset))


def identity(instance: Instance) -> tuple[Any, ...]:
    connection = instance.connection(CONNECTION)
    return (
        instance.process("connection", CONNECTION).pid,
        *(connection[name] for name in ("state", "epoch", "since")),
    )


def send(instance: Instance, to: str, text: str, **more: str) -> dict[str, Any]:
    body = {"connection": CONNECTION, "to": to, "type": "text", "text": text, **more}
    answer = instance.api.post(
        "/api/messages", json=body, headers={"Idempotency-Key": f"{to} {text}"}
    )
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def arrived(instance: Instance, contact: str) -> list[str]:
    return [item["text"] for item in instance.inbox(contact)]


def planned(offset: float, ahead: float) -> str:
    return datetime.fromtimestamp(time.time() + offset + ahead, UTC).isoformat()


@pytest.mark.parametrize(
    "jumps", [(HOUR, -HOUR), pytest.param((-HOUR, HOUR, HOUR), marks=pytest.mark.long)], ids=len
)
def test_nothing_depends_on_the_clock(
    instance: Instance, jumps: tuple[float, ...], figure: Figure
) -> None:
    """An owner dies after each jump. Only jumping forward makes true what was planned for later."""
    digit = len(jumps)
    slow, later, known = (f"155501{digit}200{number}" for number in range(3))
    first, uptime = send(instance, known, f"once {digit}"), health(instance)["uptime"]
    before = raised(instance)
    failing: list[str] = []
    due: list[str] = []
    ahead: dict[str, float] = {}  # by the offset at which the clock shows its time
    took, offset = [], 0.0
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        for jump in jumps:
            trial.traffic.flow()
            stays = identity(instance)
            failing.append(f"fails before a jump from {offset} by {jump}")
            in_backoff(instance, slow, failing[-1])
            text = f"due an hour after {offset} and before {jump}"
            send(instance, later, text, send_at=planned(offset, HOUR - 60))
            ahead[text] = offset + HOUR - 60
            offset += jump
            with trial.struck():
                set_clock(instance, offset)
            begun = time.monotonic()
            until("it is out of backoff", partial(has_arrived, instance, slow, failing[-1]), 40)
            took.append(time.monotonic() - begun)
            due += [text for text, at in ahead.items() if at < offset and text not in due]
            due.append(f"due soon after {offset} and {jump}")
            send(instance, later, due[-1], send_at=planned(offset, 1))
            trial.traffic.flow()
            until("what is due arrives", partial(has_arrived, instance, later, due[-1]), 20)
            assert send(instance, known, f"once {digit}")["id"] == first["id"], (
                "it is still remembered"
            )
            assert identity(instance) == stays, "the jump disturbed the connection"
            with suppress(AssertionError):
                until("nothing is wrong", lambda: not wrong(instance) or None, 20)
            assert not wrong(instance), dead(instance)
            instance.kill("connection", CONNECTION)
            until("another owner", partial(served_anew, instance, stays), 30)
            trial.traffic.flow()
        set_clock(instance, 0.0)
        trial.told = (
            f"clock set by {jumps} s: out of a backoff of {BACKOFF:.0f} s at most "
            f"{max(took):.1f} s after"
        )
    assert arrived(instance, known) == [f"once {digit}"]
    assert arrived(instance, slow) == failing
    assert sorted(arrived(instance, later)) == sorted(due)
    assert health(instance)["uptime"] >= uptime
    names = {name for name, _ in raised(instance) - before}
    assert not names & {"connection_stale", "connection_failed", "redis_away", "store_away"}
    assert instance.qr(CONNECTION) is None


def in_backoff(instance: Instance, contact: str, text: str) -> None:
    """A message whose first attempt the server refused; it waits for the next."""
    fault = {"account": ACCOUNT, "kind": "error_acks"}
    instance.simulator.post("/faults", json=fault).raise_for_status()
    send(instance, contact, text)
    until("it waits", lambda: waits(instance, contact) == 1 or None, 20)
    instance.simulator.delete("/faults").raise_for_status()


def waits(instance: Instance, contact: str) -> int:
    found = instance.messages(connection=CONNECTION, chat=contact, status="waiting")
    return len(found)


def has_arrived(instance: Instance, contact: str, text: str) -> bool:
    return text in arrived(instance, contact)


def raised(instance: Instance) -> set[tuple[str, float]]:
    """Every alert by its name and when it was raised."""
    return {(one["name"], one["raised_at"]) for one in alerts(instance)}


def wrong(instance: Instance) -> set[str]:
    return set(health(instance)["reasons"]) - {"queue_backlog"}


def dead(instance: Instance) -> list[tuple[str, int, bool]]:
    """Why each dead letter died, after how many attempts, and whether it may have arrived."""
    letters = instance.api.get("/api/queue/dead").raise_for_status().json()["items"]
    return [(one["error"], one["attempts"], one["uncertain"]) for one in letters]


def served_anew(instance: Instance, before: tuple[Any, ...]) -> bool:
    connection = instance.connection(CONNECTION)
    return bool(connection["state"] == "open" and connection["epoch"] > before[2])
