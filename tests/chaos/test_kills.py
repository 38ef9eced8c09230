"""A root that hangs, everything killed at once, what comes meanwhile, two chats that become one.

G2 to G5, G7, G8.

`test_storm.py` kills each kind of process by itself. The bounds (G8) have room for a noisy machine; the figures are printed. Nothing may be lost, doubled or reordered, and no QR may be asked for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.conftest import ACCOUNT, CONNECTION
from tests.chaos.harness.faults.outage import frozen, unacknowledged
from tests.chaos.harness.trial import Trial
from tests.chaos.harness.witness import Witness
from tests.processes.instance import PARTS, Instance, gone, until

if TYPE_CHECKING:
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)

MISSED = 1000


def back(instance: Instance, role: str, old: int) -> float:
    """Seconds until the role runs again under another pid."""
    begun = time.monotonic()
    connection = CONNECTION if role == "connection" else None

    def look() -> bool:
        try:
            return instance.process(role, connection).pid != old
        except AssertionError:
            return False

    until(f"the {role} is back", lambda: look() or None, 30)
    return time.monotonic() - begun


@pytest.mark.long
def test_a_root_that_hangs_is_replaced(instance: Instance, figure: Figure) -> None:
    """G8: whatever dies while the root stands still is brought back all the same."""
    root = instance.process("root")
    owner = instance.process("connection", CONNECTION)
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(frozen(root)):
            begun = time.monotonic()
            trial.kill(owner)
            until("the root was ended", lambda: gone(root) or None, 40)
        back(instance, "connection", owner.pid)
        seconds = time.monotonic() - begun
        trial.told = f"root stopped, connection killed: open after {seconds:.1f} s"


def test_everything_killed_at_once_comes_back_with_one_command(
    instance: Instance, figure: Figure
) -> None:
    """G5, G7, G8: five connections. One carries messages; to another a thousand come meanwhile.

    All are open again. G14: meanwhile none is called open that nobody serves.
    """
    others = [f"idle{number}" for number in range(4)]
    for other in others:
        instance.pair(other, account(other))
    missed = Missed(instance, others[0])
    instance.api.head("/api/events").raise_for_status()  # they are written from the first reader on
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            killed = instance.kill_everything(spare=[instance.process("simulator").pid])
        assert len(killed) >= len(PARTS)
        missed.say()
        begun = time.monotonic()
        accounts = {CONNECTION: ACCOUNT, **{each: account(each) for each in others}}
        with Witness(instance, accounts) as witness:
            instance.up()
            instance.ready(60)
            seconds = time.monotonic() - begun
            until("events tell it", lambda: witness.opened.keys() == accounts.keys(), 30)
        until("all were taken", missed.are_taken, 60)
        until("all are stored", missed.are_stored, 60)
        stored = time.monotonic() - begun
        trial.traffic.flow()
        trial.told = (
            f"everything killed: {len(killed)} processes, 5 connections open after {seconds:.1f} s,"
            f" {MISSED} messages that came meanwhile stored after {stored:.1f} s"
        )
    missed.judge()
    assert witness.looks > 20
    assert witness.shown
    assert witness.lies == []
    for connection in (CONNECTION, *others):
        assert instance.qr(connection) is None
        assert instance.connection(connection)["state"] == "open"


class Missed:
    """Messages that ten contacts write to a connection while nobody serves it."""

    def __init__(self, instance: Instance, connection: str) -> None:
        self._instance, self._connection = instance, connection
        self._contacts = [f"1555017000{number}" for number in range(10)]

    def say(self) -> None:
        each = MISSED // len(self._contacts)
        for contact in self._contacts:
            said = {"to": account(self._connection), "text": "missed", "count": each}
            self._instance.simulator.post(f"/contacts/{contact}/say", json=said).raise_for_status()

    def are_taken(self) -> bool:
        """Whether WhatsApp waits for nothing: it is asked first, since it costs nothing."""
        return unacknowledged(self._instance, account(self._connection)) == 0

    def are_stored(self) -> bool:
        return len(self._stored()) >= MISSED

    def judge(self) -> None:
        """Require each message once, each chat's in order; WhatsApp waits for nothing."""
        found = self._stored()
        for contact in self._contacts:
            texts = [item["text"] for item in found if item["chat"].startswith(contact)]
            each = MISSED // len(self._contacts)
            assert texts == [f"missed {number}" for number in range(1, each + 1)]
        assert len(found) == MISSED

    def _stored(self) -> list[dict[str, str]]:
        query = {"direction": "in", "order": "oldest", "limit": "500"}
        return self._instance.messages(connection=self._connection, **query)


def account(connection: str) -> str:
    return f"1555010001{connection[-1]}"


@pytest.mark.long
def test_a_merge_of_two_chats_outlives_the_store_and_the_connection(instance: Instance) -> None:
    """G5: what was stored under a LID is listed under the phone number, once and in order."""
    contact = "15550120900"  # none of those who write under load

    def arrived(**query: str) -> list[dict[str, str]]:
        return instance.messages(connection=CONNECTION, direction="in", order="oldest", **query)

    def listed() -> list[str]:
        return [one["text"] for one in arrived(chat=contact)]

    simulator = instance.simulator
    fault = {"account": ACCOUNT, "kind": "conceal"}
    simulator.post("/faults", json=fault).raise_for_status()
    simulator.post(f"/contacts/{contact}/addressing", json={"mode": "lid"}).raise_for_status()
    said = [f"by lid {number}" for number in range(5)]
    for text in said:
        instance.say(contact, ACCOUNT, text)
    until(
        "all is stored",
        lambda: {one["text"] for one in arrived()} >= set(said) or None,
        20,
    )
    assert listed() == [], "the number is not known yet"
    simulator.delete("/faults").raise_for_status()
    store = instance.kill("state")
    instance.say(contact, ACCOUNT, "it is me")
    until(
        "the acknowledgement to WhatsApp",
        lambda: simulator.get(f"/accounts/{ACCOUNT}").json()["unacknowledged"] == 0 or None,
        20,
    )
    owner = instance.kill("connection", CONNECTION)
    back(instance, "state", store)
    back(instance, "connection", owner)
    instance.say(contact, ACCOUNT, "once more")
    said += ["it is me", "once more"]
    until("all is one chat", lambda: listed() == said or None, 30)
    everywhere = [one for one in arrived() if one["text"] in said]
    assert len(everywhere) == len(said)
    assert {one["sender"] for one in everywhere} == {f"{contact}@s.whatsapp.net"}
