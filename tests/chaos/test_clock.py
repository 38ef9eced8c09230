"""The wall clock jumps by an hour, forward and backward, under load (G2, G4, G5, G8).

The clock of every Python process of the service jumps; that of Valkey and that of WhatsApp do not,
as on machines whose clocks disagree. The jump prolongs nothing: connections, leases,
backoff, schedules, retention. Nor does a clock that is a year ahead for a while delete or strand anything.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import ACCOUNT, BACKOFF, CONNECTION
from tests.chaos.harness.faults.outage import health
from tests.chaos.harness.records import alerts
from tests.chaos.harness.trial import Trial
from tests.clocks import believe_clock
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)

HOUR = 3600.0
YEAR = 365 * 86_400.0


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


def test_a_clock_that_is_a_year_ahead_for_a_while_loses_nothing(instance: Instance) -> None:
    """The state manager, the queue's actor and the gateway begin anew meanwhile: each makes its round of deletions at once.

    A file that is old by a right clock goes, and so shows that the round was made.
    """
    instance.api.head("/api/events").raise_for_status()
    contact, slow = "15550194001", "15550194002"
    kept, old = (upload(instance, bytes([number]) * 999) for number in (1, 2))
    age_file(instance, old, 40 * 86_400)
    sent = send(instance, contact, "before the jump")["id"]
    until("it is there", partial(has_arrived, instance, contact, "before the jump"), 20)
    webhook = {"url": "http://127.0.0.1:9/", "events": ["message.sent"]}
    hook = instance.api.post("/api/webhooks", json=webhook).raise_for_status().json()["id"]
    send(instance, contact, "to be delivered")
    until("its delivery is refused", lambda: deliveries(instance, hook, "waiting"), 20)
    before = deliveries(instance, hook, "waiting")
    events = event_numbers(instance)
    believe_clock(instance.data)
    set_clock(instance, YEAR)
    for role in ("state", "queue", "gateway"):
        instance.kill(role)
    instance.ready(60)
    in_backoff(instance, slow, "fails a year ahead")
    until("the gateway made its round", lambda: not stored(instance, old) or None, 60)
    assert deliveries(instance, hook, "dead") == set()
    set_clock(instance, 0.0)
    until("it is out of backoff", partial(has_arrived, instance, slow, "fails a year ahead"), 40)
    assert stored(instance, kept)
    assert before <= deliveries(instance, hook, "waiting")
    assert events <= event_numbers(instance)
    assert instance.message(sent)["status"] in {"sent", "delivered", "read"}
    instance.api.delete(f"/api/webhooks/{hook}").raise_for_status()


def upload(instance: Instance, content: bytes) -> str:
    answer = instance.api.post(
        "/api/media", content=content, headers={"Content-Type": "application/pdf"}
    )
    return str(answer.raise_for_status().json()["sha256"])


def stored(instance: Instance, sha256: str) -> bool:
    return (instance.data / "media" / sha256[:2] / sha256).exists()


def age_file(instance: Instance, sha256: str, age: float) -> None:
    """Let the file have been needed last so long ago."""
    at = time.time() - age
    with closing(sqlite3.connect(instance.data / "media.db")) as database, database:
        database.execute("UPDATE files SET needed_at = ? WHERE sha256 = ?", (at, sha256))
    os.utime(instance.data / "media" / sha256[:2] / sha256, (at, at))


def deliveries(instance: Instance, hook: str, status: str) -> set[str]:
    answer = instance.api.get(f"/api/webhooks/{hook}/deliveries", params={"status": status})
    return {one["id"] for one in answer.raise_for_status().json()["items"]}


def event_numbers(instance: Instance) -> set[int]:
    """The numbers of the first events that are stored."""
    with closing(sqlite3.connect(f"file:{instance.data}/state.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id FROM documents WHERE collection = 'events'").fetchall()
    return {int(row[0]) for row in rows}
