"""Firestore killed and kept away, killed in a commit, and slow while the StateManager dies (G8, G11).

Sends are accepted and delivered throughout and connections stay open; what arrives waits in the
session files. A start needs no Firestore either. Each test leaves the instance ready.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from actors.state.documents import MESSAGES
from actors.state.messages.applied_changes import incoming_id
from tests.chaos.harness.faults.outage import delivered, health, stored
from tests.chaos.harness.faults.refusal import MARK, refused
from tests.chaos.harness.records import alert, shown_alerts
from tests.chaos.harness.trial import Trial
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.harness.traffic import Traffic
    from tests.processes.firestore import Firestore
    from tests.processes.instance import Instance
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(300)

CONNECTION, ACCOUNT = "shop", "15550100001"
SLOW = 1.5
"""Seconds that each commit takes: longer than it takes to hold the load and to kill."""

AFTER = "storable after that one"

BOUND = 30.0
"""Seconds after its return until what arrived meanwhile is stored and `/health` says so."""


@pytest.fixture(scope="module")
def instance(elsewhere: Instance) -> Instance:
    return elsewhere


@pytest.fixture
def undisturbed(instance: Instance) -> Iterator[None]:
    """The connection has the same process and the same socket as before."""
    before = instance.ready(30) and (instance.process("connection").pid, opened(instance))
    yield
    assert (instance.process("connection").pid, opened(instance)) == before


def opened(instance: Instance) -> tuple[str, int, str]:
    found = instance.connection(CONNECTION)
    return found["state"], found["epoch"], found["since"]


@contextmanager
def away(firestore: Firestore) -> Iterator[None]:
    firestore.kill()
    try:
        yield
    finally:
        firestore.start()


def healed(traffic: Traffic, received: int) -> float:
    """Seconds from now until what came in is stored again and nothing is said to be wrong."""
    instance, begun = traffic.instance, time.monotonic()

    def more() -> bool:
        # 503 until the gateway, too, has found it again.
        with suppress(httpx.HTTPStatusError):
            return stored(instance, CONNECTION) > received
        return False

    until("messages are stored again", more, 60)
    until("nothing is wrong", lambda: health(instance)["status"] == "healthy" or None, 60)
    return time.monotonic() - begun


def waiting(instance: Instance, connection: str) -> set[str]:
    """Returns the ids of messages of a connection without a confirmation from the store."""
    file = instance.data / "sessions" / connection / "session.db"
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT chat, sender, message_id FROM inbox WHERE kind = 'message'"
        ).fetchall()
    finally:
        database.close()
    return {incoming_id(connection, *row) for row in rows}


@pytest.mark.usefixtures("undisturbed")
def test_killed_and_away(instance: Instance, firestore: Firestore, figure: Figure) -> None:
    begun_at = time.time()
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        received = stored(instance, CONNECTION)
        with trial.during(away(firestore)):
            until("it is said", lambda: "store_away" in health(instance)["reasons"], 10)
            given, sent = trial.traffic.given(), delivered(trial.traffic)
            while time.time() < trial.struck_at + 10:
                assert health(instance)["status"] == "degraded"
                time.sleep(0.5)
            assert trial.traffic.given() > given + 20, "sends are accepted meanwhile"
            assert delivered(trial.traffic) > sent + 10, "and delivered"
        took = healed(trial.traffic, received)
        trial.traffic.flow()
        trial.told = (
            f"Firestore killed and away for 10 s: all stored and healthy {took:.1f} s after its"
            " return"
        )
    assert not trial.traffic.refused
    assert took < BOUND
    cleared = alert(instance, begun_at, "store_away", active=False)
    assert cleared["cleared_at"] > cleared["raised_at"] >= begun_at
    assert "store_away" not in shown_alerts(instance)


@pytest.mark.usefixtures("undisturbed")
def test_killed_in_the_middle_of_commits(
    instance: Instance, firestore: Firestore, figure: Figure
) -> None:
    """It dies with half a batch written; none of that is there, and all of it comes again."""
    took = []
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        for _ in range(3):
            received = stored(instance, CONNECTION)
            with trial.struck():
                firestore.strike("killed")
                assert firestore.wait() == -9
            firestore.start()
            took.append(healed(trial.traffic, received))
        trial.told = (
            f"Firestore killed in the middle of {len(took)} commits: healed at most"
            f" {max(took):.1f} s after its return"
        )
    assert max(took) < BOUND


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.long
def test_answers_that_get_lost(instance: Instance, firestore: Firestore, figure: Figure) -> None:
    """A repeated write is stored once."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            firestore.strike("lost", methods=["Commit"], times=20)
        until("answers were lost", lambda: firestore.counts()["struck"] == 20, 60)
        firestore.heal()
        trial.traffic.flow()
        trial.told = "20 answers of Firestore lost"


@pytest.mark.usefixtures("undisturbed")
def test_the_state_manager_killed_while_firestore_is_slow(
    instance: Instance, firestore: Firestore, figure: Figure
) -> None:
    """It dies while its batches are on their way: what was written is asked again, and written once."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        firestore.strike("late", methods=["Commit"], seconds=SLOW)
        state = instance.process("state")
        untold: set[str] = set()
        connection = instance.incarnation(CONNECTION)

        def caught() -> bool:
            state.suspend()  # confirmations of writes are lost from here on
            untold.update(waiting(instance, connection) & firestore.written(MESSAGES).keys())
            if not untold:
                state.resume()
            return bool(untold)

        until("a batch is on its way", caught, 30)
        with trial.struck():
            instance.kill("state")
            received = stored(instance, CONNECTION)
        took = healed(trial.traffic, received)
        firestore.heal()
        trial.traffic.flow()
        trial.told = (
            f"StateManager killed with {len(untold)} messages on their way to a Firestore whose"
            f" commits take {SLOW} s: stored again after {took:.1f} s"
        )
    assert took < BOUND
    until("all is settled", lambda: not waiting(instance, connection), BOUND)
    there = {each["id"] for each in instance.messages(connection=CONNECTION, direction="in")}
    assert untold <= there
    assert {times for each, times in firestore.written(MESSAGES).items() if each in there} == {1}


@pytest.mark.usefixtures("undisturbed")
def test_a_document_that_firestore_refuses(
    instance: Instance, firestore: Firestore, figure: Figure
) -> None:
    """It is set aside with an alert, the rest is stored, and a person has it stored at last (G5, G13)."""
    text, contact = f"{MARK} here", "15550120099"

    def aside() -> list[str]:
        return [each["excerpt"] for each in refused(instance, CONNECTION)]

    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            firestore.strike("refused", mark=MARK)
            instance.say(contact, ACCOUNT, text)
            instance.say(contact, ACCOUNT, AFTER)
        until("it is set aside", lambda: aside() == [text] or None, 30)
        until(
            "the alert is raised", lambda: "document_refused" in shown_alerts(instance) or None, 30
        )
        until("what is behind it is stored", lambda: AFTER in stored_texts(instance), 30)
        assert text not in stored_texts(instance)
        assert firestore.heal() > 0, "it never struck"
        path = f"/api/connections/{CONNECTION}/refused-documents"
        (one,) = refused(instance, CONNECTION)
        assert instance.api.post(f"{path}/{one['id']}/retry").is_success
        until("it is stored", lambda: stored_texts(instance).count(text) == 1 or None, 30)
        assert aside() == []
        trial.traffic.flow()
        trial.told = (
            "a document that Firestore refuses: set aside, passed by others, stored by a retry"
        )
    cleared = "the alert is cleared"
    until(cleared, lambda: "document_refused" not in shown_alerts(instance) or None, 30)


def stored_texts(instance: Instance) -> list[str]:
    """Texts that are stored of what arrived."""
    found = instance.messages(connection=CONNECTION, direction="in")
    return [each["text"] for each in found]


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.long
def test_quota(instance: Instance, firestore: Firestore, figure: Figure) -> None:
    """While the quota is exceeded it is asked seldom, and what arrives waits."""
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        received = stored(instance, CONNECTION)
        with trial.struck():
            firestore.strike("exhausted")
        until("it is said", lambda: "store_away" in health(instance)["reasons"], 10)
        firestore.counts(reset=True)
        time.sleep(8)
        asked = sum(firestore.counts()["calls"].values())
        firestore.heal()
        took = healed(trial.traffic, received)
        trial.told = (
            f"quota of Firestore exceeded for 8 s: asked {asked} times meanwhile,"
            f" healed {took:.1f} s after"
        )
    assert took < BOUND
    assert asked < 60


@pytest.mark.long
def test_a_start_while_firestore_is_away(
    instance: Instance, firestore: Firestore, figure: Figure
) -> None:
    """Which connections should run, and who may ask, is known from the data directory."""

    def opens() -> bool:
        return instance.connection(CONNECTION)["state"] == "open"

    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            firestore.kill()
            dead = instance.kill_everything()
        assert len(dead) > 5
        took = instance.up()
        begun = time.monotonic()
        until("the connection is open without Firestore", opens, 60)
        took += time.monotonic() - begun
        trial.traffic.flow()
        assert health(instance)["status"] == "degraded"
        assert instance.api.get("/api/connections", headers={"X-Api-Key": "x" * 20}).is_error
        firestore.start()
        healed(trial.traffic, 0)
        trial.told = (
            f"everything killed, Firestore too, and started without it: open after {took:.1f} s"
        )
