"""The cost of a state store that is paid by the document, counted by the emulator of Firestore."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.health import monitor
from actors.health.checks import Thresholds
from actors.health.monitor import Monitor
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.runtime.limits.durations import HOUR
from actors.state import own_mistakes
from actors.state.connection_document import Observed
from actors.state.connections import Connections
from actors.state.observed_states import ObservedStates
from actors.state.open_store import open_documents
from tests.benchmarks.figures import Figure, Figures
from tests.integration.gateway.receiver import Receiver
from tests.integration.health.monitored import probes_of, resources_of
from tests.processes.firestore import Firestore
from tests.processes.instance import Instance, until
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNTS = {"c0": "15550112000", "c1": "15550112001"}
CONTACTS = [f"155501110{number:02d}" for number in range(10)]
MESSAGES = 150
"""In each direction of each connection."""
PAUSE = 0.02
IDLE = 60.0
CONNECTIONS = 10
STATUSES = 5  # queued, sending, sent, delivered, read


@pytest.fixture(scope="module")
def firestore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    with Firestore(tmp_path_factory.mktemp("firestore")) as server:
        yield server


@pytest.fixture(scope="module")
def instance(firestore: Firestore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environment = {"FIRESTORE_EMULATOR_HOST": firestore.host, "WEBHOOK_URL_PRIVATE": "true"}
    with Instance(tmp_path_factory.mktemp("i") / "data", environment) as running:
        for name, account in ACCOUNTS.items():
            running.pair(name, account)
        yield running


def quiet(firestore: Firestore) -> dict[str, Any]:
    """The counts once nothing was written for five seconds."""
    seen, since = -1, time.monotonic()

    def look() -> bool:
        nonlocal seen, since
        now = firestore.counts()["writes"]
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 5

    until("nothing is written any more", look, 60)
    return firestore.counts()


def all_stored(instance: Instance, name: str, count: int) -> bool:
    return len(instance.messages(connection=name, direction="in")) == count


@pytest.mark.timeout(300)
def test_a_message(figures: Figures, firestore: Firestore, instance: Instance) -> None:
    """Each sent one is delivered and read by its contact, each received one is stored."""
    counts = traffic(firestore, instance, rounds=1)
    messages = 2 * MESSAGES * len(ACCOUNTS)
    assert "writes events" not in counts["by_collection"]
    figures.add(
        Figure(
            "documents written for a message",
            (counts["writes"] + counts["deletes"]) / messages,
            "writes",
            at_most=1.2,
            remarks={
                "with one write per event": (STATUSES + 1) / 2,
                "read": counts["reads"] / messages,
                **{name: each / messages for name, each in counts["by_collection"].items()},
            },
        )
    )


def traffic(firestore: Firestore, instance: Instance, *, rounds: int) -> dict[str, Any]:
    """Sends messages; returns the operations of the store. `rounds`: the calls so far, with this one."""
    quiet(firestore)
    firestore.counts(reset=True)
    sent = []
    for number in range(MESSAGES):
        contact = CONTACTS[number % len(CONTACTS)]
        for name, account in ACCOUNTS.items():
            asked = {"connection": name, "to": contact, "type": "text", "text": f"m {number}"}
            sent.append(instance.api.post("/api/messages", json=asked).json()["id"])
            instance.say(contact, account, f"i {number}")
        time.sleep(PAUSE)
    for name in ACCOUNTS:
        until("all is stored", partial(all_stored, instance, name, rounds * MESSAGES), 60)
    until("the last is read", lambda: instance.message(sent[-1])["status"] == "read", 30)
    return quiet(firestore)


@pytest.mark.timeout(300)
def test_a_message_with_a_webhook(
    figures: Figures, firestore: Firestore, instance: Instance
) -> None:
    """The same with a webhook, which receives each step of each message."""
    steps = 1 + 3  # received; sent, delivered, read
    with Receiver() as receiver:
        made = instance.api.post("/api/webhooks", json={"url": receiver.url}).json()
        receiver.secrets.append(made["secret"])
        counts = traffic(firestore, instance, rounds=2)
        until("all has arrived", lambda: len(ids(receiver)) == steps * MESSAGES * len(ACCOUNTS), 60)
        instance.api.delete(f"/api/webhooks/{made['id']}")
    assert receiver.in_order
    messages = 2 * MESSAGES * len(ACCOUNTS)
    figures.add(
        Figure(
            "documents written for a message that a webhook receives",
            (counts["writes"] + counts["deletes"]) / messages,
            "writes",
            at_most=2.5,
            remarks={
                "read": counts["reads"] / messages,
                "events": len(receiver.taken) / messages,
                **{name: each / messages for name, each in counts["by_collection"].items()},
            },
        )
    )


def ids(receiver: Receiver) -> set[str]:
    return {each["id"] for each in receiver.taken if each["type"].startswith("message.")}


@pytest.mark.timeout(300)
async def test_an_idle_connection(
    figures: Figures, firestore: Firestore, instance: Instance, tmp_path: Path
) -> None:
    """An hour in fast motion of all that writes while nothing happens, and a real minute of it."""
    quiet(firestore)
    firestore.counts(reset=True)
    await asyncio.sleep(IDLE)
    minute = firestore.counts()
    with Valkey(tmp_path) as valkey:
        beats, rounds, hour = await an_hour(firestore, valkey)
    figures.add(
        Figure(
            f"documents written for an idle connection of {CONNECTIONS} in an hour",
            hour["writes"] / CONNECTIONS,
            "writes",
            at_most=2,
            remarks={
                "with one write per event": (beats + rounds) / CONNECTIONS,
                f"all that an instance wrote in {IDLE:.0f} s": minute["writes"],
                f"all that an instance read in {IDLE:.0f} s": minute["reads"],
            },
        )
    )
    assert hour["by_collection"]["writes whatsapp_connection_states"] == CONNECTIONS
    assert hour["writes"] < CONNECTIONS + 2 * HOUR / monitor.UNCHANGED_SECONDS


async def an_hour(firestore: Firestore, valkey: Valkey) -> tuple[int, int, dict[str, Any]]:
    """The beats, the rounds of the monitor, and what was counted of both."""
    common = {"firestore_emulator_host": firestore.host, "cpu_threshold": 100.0}
    settings = valkey.settings(**common, memory_threshold=100.0, firestore_database="idle")
    documents = open_documents(settings)
    # Of connections that are not there: these have no owner whose beat could be asked for.
    empty = open_documents(valkey.settings(**common, firestore_database="empty"))
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    begun = now = time.time()
    health = Monitor(
        probes_of(settings, empty, redis),
        resources_of(settings),
        empty,
        Thresholds.of(settings),
        clock=lambda: now,
    )
    mistaken = partial(own_mistakes.note, documents)
    states = ObservedStates(documents.batch, interval=HOUR, mistaken=mistaken)
    seen = Observed("open", epoch=1, since=now, beat=now)
    connections = [
        (await Connections(documents).create(f"c{number}")).id for number in range(CONNECTIONS)
    ]
    for connection in connections:
        await states.report(connection, seen)
    await health.round()
    firestore.counts(reset=True)
    beats = rounds = 0
    while now < begun + HOUR:
        now += settings.heartbeat_interval / 1000
        await health.round()
        rounds += 1
        for connection in connections:
            await states.report(connection, replace(seen, beat=now))
            beats += 1
    await states.flush()  # as once in HOUR
    counted = firestore.counts()
    await lanes.close()
    await redis.aclose()
    await documents.close()
    await empty.close()
    return beats, rounds, counted
