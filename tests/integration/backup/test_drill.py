"""A whole instance is backed up under load, lost with its disk, and restored elsewhere: the drill of docs/backup.md."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from actors.connection.whatsmeow.program import executable
from tests.chaos.harness.traffic import Load, Party
from tests.processes.instance import API_KEY, Instance
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)

PARTIES = [Party("shop", "15550100001", ("15550100011", "15550100012"))]
if executable.find() is not None:
    PARTIES.append(
        Party("stall", "15550100002", ("15550100013", "15550100014"), engine="whatsmeow")
    )

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
        "SESSION_ENCRYPTION_KEY": "5e" * 32,
        "DEAD_LETTER_RETENTION_DAYS": "3",
        "BACKUP_TARGET": str(tmp_path / "scheduled"),
        "WEBHOOK_URL_PRIVATE": "true",
    }
    with Instance(data, environment) as running:
        for party in PARTIES:
            running.pair(party.connection, party.account, engine=party.engine)
        yield running


def post(instance: Instance, path: str, **body: Any) -> Any:
    return instance.api.post(path, json=body).raise_for_status().json()


def arrived(instance: Instance, contact: str) -> dict[str, list[dict[str, Any]]]:
    """What a contact got: by text, each id under which it came."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in instance.inbox(contact):
        found.setdefault(item["text"], []).append(item)
    return found


def test_an_instance_that_is_lost_with_its_disk_goes_on_elsewhere(
    instance: Instance, tmp_path: Path
) -> None:
    key = post(instance, "/api/keys", name="program", scope="send")["key"]
    hook = post(
        instance, "/api/webhooks", url="http://127.0.0.1:9/hook", events=["message.received"]
    )
    scheduled = tmp_path / "scheduled" / "backups"
    until("the schedule made one", lambda: list(scheduled.glob("*/*")), 60)
    instance.kill("backup")
    due = time.time() + DUE
    at = datetime.fromtimestamp(due, UTC).isoformat()
    later = {
        f"later {contact}": post(
            instance,
            "/api/messages",
            connection=party.connection,
            to=contact,
            text=f"later {contact}",
            send_at=at,
        )["id"]
        for party in PARTIES
        for contact in party.contacts
    }
    with Load(instance, PARTIES) as load:
        load.flow()
        began = time.time()
        done = instance.teimoso("backup", "create", "--to", str(tmp_path / "target"), "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        load.flow()
    made = json.loads(done.stdout)
    given = [
        (lane, token, when) for lane in (*load.out, *load.incoming) for token, when in lane.tokens
    ]
    until("the schedule's process is back", lambda: instance.pids("backup"), 30)
    for party in PARTIES:
        for contact in party.contacts:
            wanted = {
                token for lane, token, _ in given if (lane.chat, lane.direction) == (contact, "out")
            }
            until("all of it arrived", lambda: wanted <= arrived(instance, contact).keys(), 60)  # noqa: B023
    assert time.time() < due, "the machine was too slow for the drill"

    assert instance.kill_everything()
    shutil.rmtree(instance.data)
    instance.data = tmp_path / "second"
    del instance.environment["DEAD_LETTER_RETENTION_DAYS"]  # type: ignore[attr-defined]
    del instance.environment["BACKUP_TARGET"]  # type: ignore[attr-defined]
    done = instance.teimoso("restore", str(tmp_path / "target"), "--json", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    restored = json.loads(done.stdout)
    assert restored["copy"] == made["name"]
    (instance.data / "simulator").symlink_to(tmp_path / "simulator")
    instance.up()

    for party in PARTIES:
        name = party.connection
        until(f"{name} is open", lambda: instance.connection(name)["state"] == "open", 60)  # noqa: B023
        assert instance.qr(name) is None
    settings = Settings.load(instance.data)
    assert settings.dead_letter_retention_days == 3
    assert settings.backup_target is not None
    until("the schedule goes on", lambda: instance.pids("backup"), 60)
    assert [one["id"] for one in instance.api.get("/api/webhooks").json()["items"]] == [hook["id"]]
    sends = {"X-Api-Key": key}
    for party in PARTIES:
        body = {"connection": party.connection, "to": party.contacts[0], "text": "after the loss"}
        sent = instance.api.post("/api/messages", json=body, headers=sends)
        assert sent.status_code == 202, sent.text
    assert instance.api.headers["X-Api-Key"] == API_KEY

    history = {
        (message["direction"], message["text"])
        for party in PARTIES
        for message in instance.messages(connection=party.connection)
    }
    gone = [
        (lane, token, when) for lane, token, when in given if (lane.direction, token) not in history
    ]
    assert not [token for _, token, when in gone if when < began], (
        "the backup lacks what was before it"
    )
    until(
        "what waited is sent",
        lambda: all(is_sent(instance, id_) for id_ in later.values()),
        DUE + 60,
    )
    repeated = 0
    for party in PARTIES:
        for contact in party.contacts:
            there = arrived(instance, contact)
            ids = {text: {one["id"] for one in items} for text, items in there.items()}
            assert not {text: found for text, found in ids.items() if len(found) > 1}, "sent twice"
            assert f"later {contact}" in ids
            repeated += sum(one["deliveries"] > 1 for items in there.values() for one in items)
    assert all("after the loss" in arrived(instance, party.contacts[0]) for party in PARTIES)
    print(
        f"\n{len(given)} messages given; {restored['sent']} that the queue's copy had as waiting were sent by then;"
        f" of those after the backup began the history lacks"
        f" {sum(lane.direction == 'out' for lane, _, _ in gone)} sent and"
        f" {sum(lane.direction == 'in' for lane, _, _ in gone)} received ones;"
        f" {repeated} ids went out again, and no text under a second id"
    )


def is_sent(instance: Instance, message: str) -> bool:
    return instance.message(message)["status"] in {"sent", "delivered", "read"}
