"""A whole instance is backed up under load, lost with its disk, and restored elsewhere: the drill of docs/instance-backups.md."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from tests.chaos.harness.traffic import Load, Party
from tests.processes.instance import Instance
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(600)

PARTIES = [
    Party("shop", "15550100001", ("15550100011", "15550100012")),
    Party("stall", "15550100002", ("15550100013", "15550100014")),
]

KEY = "5e" * 32

FAILED = "instance_backup_failed"

DUE = 120.0
"""Seconds until messages are due that were accepted before the backup, and that are not sent before the loss."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance whose simulated WhatsApp is outside of its directory, and outlives it."""
    data, outside = tmp_path / "first", tmp_path / "simulator"
    for directory in (data, outside):
        directory.mkdir()
    (data / "simulator").symlink_to(outside)
    environment = {
        "SESSION_ENCRYPTION_KEY": KEY,
        "DEAD_LETTER_RETENTION_DAYS": "3",
        "BACKUP_TARGET": str(tmp_path / "scheduled"),
        "WEBHOOK_URL_PRIVATE": "true",
        "HEALTH_CHECK_INTERVAL": "2000",
    }
    (tmp_path / "scheduled").mkdir()
    in_the_way(tmp_path).write_text("a file where a directory belongs")
    with Instance(data, environment) as running:
        for party in PARTIES:
            running.pair(party.connection, party.account)
        yield running


def in_the_way(place: Path) -> Path:
    """The file by which nothing can be written to the target of the schedule."""
    return place / "scheduled" / "backups"


def see_the_alert(instance: Instance, tmp_path: Path) -> None:
    """Wait for the alert about a target that takes nothing, wherever it is shown, and for its end once it does."""

    def health() -> tuple[str, set[str]]:
        found = instance.api.get("/health").json()
        return found["status"], {each["name"] for each in found["alerts"]}

    def alerts(*words: str) -> str:
        return instance.teimoso("alerts", *words, "--json").stdout

    def metric() -> list[str]:
        text = instance.api.get("/metrics").raise_for_status().text
        return [
            line
            for line in text.splitlines()
            if line.startswith("teimoso_alert") and FAILED in line
        ]

    until("the alert is raised", lambda: FAILED in health()[1], 60)
    assert health()[0] == "degraded"
    assert FAILED in alerts("--active")
    assert [line.split()[-1] for line in metric()] == ["1.0"]
    doctor = instance.teimoso("doctor").stdout
    assert "No backup of the instance was made since" in " ".join(doctor.split())
    in_the_way(tmp_path).unlink()
    until("the alert is over", lambda: FAILED not in health()[1], 120)
    assert FAILED not in alerts("--active")
    assert FAILED in alerts("--over")
    assert [line.split()[-1] for line in metric()] == ["0.0"]


def post(instance: Instance, path: str, **body: Any) -> Any:
    return instance.api.post(path, json=body).raise_for_status().json()


def arrived(instance: Instance, contact: str) -> dict[str, list[dict[str, Any]]]:
    """Messages that a contact got, by text: each id under which it came."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in instance.inbox(contact):
        found.setdefault(item["text"], []).append(item)
    return found


def history(instance: Instance) -> set[tuple[str, str]]:
    """Direction and text of all messages that the instance has."""
    return {
        (message["direction"], message["text"])
        for party in PARTIES
        for message in instance.messages(connection=party.connection)
    }


def wait_for_a_while(instance: Instance) -> tuple[float, dict[str, str]]:
    """Accept a message for each contact that leaves later: when that is, and the id of each text."""
    due = time.time() + DUE
    texts = {}
    for party in PARTIES:
        for contact in party.contacts:
            texts[f"later {contact}"] = post(
                instance,
                "/api/messages",
                connection=party.connection,
                to=contact,
                text=f"later {contact}",
                send_at=datetime.fromtimestamp(due, UTC).isoformat(),
            )["id"]
    return due, texts


def back_up(instance: Instance, target: Path) -> tuple[Load, set[tuple[str, str]], float]:
    """Make a backup under a load that began before and ends after it; the load, the history before, and when it began."""
    with Load(instance, PARTIES) as load:
        load.flow()
        before, begun = history(instance), time.time()
        done = instance.teimoso("backup", "create", "--to", str(target), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        load.flow()
    for lane in load.out:
        wanted = {token for token, _ in lane.tokens}
        until("all arrived", lambda: wanted <= arrived(instance, lane.chat).keys(), 60)  # noqa: B023
    return load, before, begun


def lose_and_restore(instance: Instance, tmp_path: Path) -> tuple[dict[str, Any], float]:
    """Kill all of it, remove its disk, and restore it in another directory, with less in the environment.

    Returns what the restore says, and when it began on the monotonic clock.
    """
    assert instance.kill_everything()
    shutil.rmtree(instance.data)
    instance.data = tmp_path / "second"
    instance.environment = {"SESSION_ENCRYPTION_KEY": KEY}
    begun = time.monotonic()
    done = instance.teimoso("restore", str(tmp_path / "target"), "--json", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (instance.data / "simulator").symlink_to(tmp_path / "simulator")
    instance.up()
    return json.loads(done.stdout), begun


def test_an_instance_that_is_lost_with_its_disk_goes_on_elsewhere(
    instance: Instance, tmp_path: Path, figure: Figure
) -> None:
    key = post(instance, "/api/keys", name="program", scopes=["send"])["key"]
    hook = post(instance, "/api/webhooks", url="http://127.0.0.1:9/hook")["id"]
    see_the_alert(instance, tmp_path)
    assert list(in_the_way(tmp_path).glob("*/*")), "the schedule made a backup"
    instance.kill("backup")
    until("the root has another process for it", lambda: instance.pids("backup"), 30)
    due, later = wait_for_a_while(instance)
    load, before, begun = back_up(instance, tmp_path / "target")
    given = {
        (lane.direction, token) for lane in (*load.out, *load.incoming) for token, _ in lane.tokens
    }
    assert time.time() < due, "the machine was too slow for the drill"

    restored, elsewhere = lose_and_restore(instance, tmp_path)
    for party in PARTIES:
        name = party.connection
        until(f"{name} is open", lambda: instance.connection(name)["state"] == "open", 60)  # noqa: B023
        assert instance.qr(name) is None
    settings = Settings.load(instance.data)
    assert settings.dead_letter_retention_days == 3
    until("the schedule goes on", lambda: instance.pids("backup"), 60)
    assert [one["id"] for one in instance.api.get("/api/webhooks").json()["items"]] == [hook]
    for party in PARTIES:
        body = {"connection": party.connection, "to": party.contacts[0], "text": "after the loss"}
        sent = instance.api.post("/api/messages", json=body, headers={"X-Api-Key": key})
        assert sent.status_code == 202, sent.text
        until("it sends", lambda: "after the loss" in arrived(instance, party.contacts[0]), 60)  # noqa: B023
        if party is PARTIES[0]:
            first_message(figure, "docs/instance-backups.md", elsewhere)
    after = history(instance)
    assert before <= after, "the backup lacks what was there before it"

    until(
        "what waited is sent",
        lambda: all(is_sent(instance, one) for one in later.values()),
        DUE + 60,
    )
    repeated = 0
    for party in PARTIES:
        for contact in party.contacts:
            there = arrived(instance, contact)
            assert not {
                text for text, items in there.items() if len({one["id"] for one in items}) > 1
            }
            assert f"later {contact}" in there
            repeated += sum(one["deliveries"] > 1 for items in there.values() for one in items)
        instance.say(party.contacts[0], party.account, "to the restored one")
    until("they receive", lambda: ("in", "to the restored one") in history(instance), 60)
    lost = [direction for direction, _ in given - after]
    figure(
        f"an instance lost with its disk, its backup begun {instance.killed_at - begun:.0f} s before: of {len(given)} messages"
        f" given, {len(before)} of them before the backup, the history lacks {lost.count('out')} sent and"
        f" {lost.count('in')} received after its begin. {restored['sent']} that the queue's copy had as"
        f" waiting were known to be sent; {repeated} ids went out again, no text under a second id"
    )


def is_sent(instance: Instance, message: str) -> bool:
    return instance.message(message)["status"] in {"sent", "delivered", "read"}
