"""`teimoso up` on the data directory of an older release: nothing is lost, and nobody scans a QR.

Messages wait both ways as it stops, in every place where they can: also in a spool, which it had
while Redis took none.
"""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from redis import Redis

from actors.config.settings import Settings
from tests.integration.gateway.receiver import Receiver
from tests.integration.whole.operations.older_code import checkout, pull
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP, STRANGER, refused, struck
from tests.integration.whole.traffic import OTHER, SECOND
from tests.processes.instance import Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

BEFORE = "4cfc23d89afb1218a2447def7e3021a5d0d1fb43"
ACCOUNTS = {SHOP: ACCOUNT, SECOND: OTHER}
COLLEAGUE, PATRON = "15550100004", "15550100005"
SENT = {"sent", "delivered", "read"}


class Exchange:
    """The messages that the API accepted and that contacts said, each chat's in their order."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._number = 0
        self.sent: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.said: dict[str, list[str]] = defaultdict(list)

    def send(self, connection: str, to: str, **more: Any) -> None:
        self._number += 1
        text = f"out {connection} {self._number:02d}"
        words = {"caption": text} if "type" in more else {"text": text}
        body = {"connection": connection, "to": to, **words, **more}
        accepted = self._instance.api.post("/api/messages", json=body)
        assert accepted.status_code == 202, accepted.text
        self.sent[connection, to].append(text)

    def say(self, connection: str) -> None:
        self._number += 1
        text = f"in {connection} {self._number:02d}"
        self._instance.say(CONTACT, ACCOUNTS[connection], text)
        self.said[connection].append(text)

    def judge(self, seconds: float) -> None:
        """Wait until each message is where it belongs; fail where one is twice or out of order."""
        for (connection, to), texts in self.sent.items():
            arrived = complete(partial(self._arrived, connection, to), texts, seconds)
            assert arrived == texts, f"each once, in order: {connection}"
        for connection, account in ACCOUNTS.items():
            said = self.said[connection]
            stored = complete(partial(self._listed, connection, "in"), said, seconds)
            assert sorted(stored) == sorted(said), f"each once: {connection}"
            out = [t for (by, _), texts in self.sent.items() if by == connection for t in texts]
            sent = complete(partial(self._listed, connection, "out", SENT), out, seconds)
            assert sorted(sent) == sorted(out), f"each once: {connection}"
            until("nothing is left for it", partial(self._emptied, account), seconds)

    def _emptied(self, account: str) -> bool:
        """Whether the account has acknowledged all that was said to it."""
        found = self._instance.simulator.get(f"/accounts/{account}").raise_for_status().json()
        return bool(found["unacknowledged"] == 0)

    def _arrived(self, connection: str, to: str) -> list[str]:
        """The texts that the contact got from the account, each as often as under another id."""
        account, inbox = ACCOUNTS[connection], self._instance.inbox(to)
        return [one["text"] for one in inbox if one["from"] == account]

    def _listed(
        self, connection: str, direction: str, statuses: set[str] | None = None
    ) -> list[str]:
        found = self._instance.messages(connection=connection, direction=direction)
        return [
            one["text"]
            for one in found
            if one["type"] != "image" and one["status"] in (statuses or {one["status"]})
        ]


def complete(look: Callable[[], list[str]], texts: list[str], seconds: float) -> list[str]:
    """Return what `look` finds once all of `texts` are in it."""
    until(f"{texts} are all there", lambda: set(look()) >= set(texts), seconds)
    return look()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return checkout(BEFORE, tmp_path / "code")


@pytest.fixture
def instance(instance: Instance, tmp_path: Path, code: Path) -> Iterator[Instance]:
    """Beside the one of this folder: of several on a machine none uses what is another's."""
    environment = {
        "PYTHONPATH": str(code),
        "WEBHOOK_URL_PRIVATE": "true",
        "RAY_DASHBOARD": "false",
    }
    with Instance(tmp_path / "data", environment, older_code=True) as running:
        running.pair(SHOP, ACCOUNT)
        running.pair(SECOND, OTHER)
        other, own = (
            {one["pid"] for one in each.status()["processes"]} for each in (instance, running)
        )
        assert not other & own
        yield running
    listed = instance.api.get("/api/connections").raise_for_status().json()["items"]
    assert [(one["id"], one["state"]) for one in listed] == [(SHOP, "open")]


def test_an_older_data_directory_is_taken_over(instance: Instance, code: Path) -> None:
    """Also of a service that was not stopped: all of it was killed."""
    assert instance.process("root").environ()["PYTHONPATH"].startswith(str(code))
    exchange = Exchange(instance)
    for connection in ACCOUNTS:
        for _ in range(2):
            exchange.send(connection, CONTACT)
            exchange.say(connection)
    exchange.judge(20)
    url, file = receive_file(instance)
    key = instance.api.post("/api/keys", json={"name": "older", "scopes": ["send", "read"]}).json()
    letter = bury(instance)
    before = {each: paired(instance, each) for each in ACCOUNTS}

    with Receiver() as receiver:
        known = {text for texts in exchange.said.values() for text in texts}
        receiver.answer = lambda _: 503
        webhook = subscribe(instance, receiver)
        exchange.say(SECOND)
        until("a delivery failed", lambda: receiver.refused, 10)
        detain(instance, exchange)
        instance.kill_everything()
        settings = Settings.load(instance.data)
        assert rows(settings.data / "spool.db", "spool") == 3
        assert rows(settings.sessions / SECOND / "session.db", "inbox") >= 2
        assert not receiver.taken

        pull(code)
        receiver.answer = lambda _: None
        instance.up()
        for each, (epoch, *rest) in before.items():
            until(f"{each} is open anew", partial(opens, instance, each, epoch), 30)
            _, *same = paired(instance, each)
            assert same == rest
        exchange.judge(30)
        pending = {text for texts in exchange.said.values() for text in texts} - known
        until("the webhook has them", lambda: set(receiver.texts) == pending, 30)
        assert receiver.in_order
        assert instance.api.get(f"/api/webhooks/{webhook}").json()["missed"] == 0

    assert instance.api.get(url).content == file
    headers = {"X-Api-Key": key["key"]}
    with httpx.Client(base_url=instance.api.base_url, headers=headers) as api:
        (dead,) = api.get("/api/queue/dead").raise_for_status().json()["items"]
    assert dead["id"] == letter
    instance.simulator.post(f"/contacts/{STRANGER}", json={"registered": True}).raise_for_status()
    instance.api.post(f"/api/queue/dead/{letter}/retry").raise_for_status()
    exchange.sent[SHOP, STRANGER].append(dead["text"])
    for each in ACCOUNTS:
        exchange.send(each, CONTACT)
        exchange.say(each)
    exchange.judge(20)


def receive_file(instance: Instance) -> tuple[str, bytes]:
    """Have a contact send an image; its URL once it is stored, and its content."""
    content = os.urandom(50_000)
    what = {"to": ACCOUNT, "type": "image", "data": base64.b64encode(content).decode()}
    instance.simulator.post(f"/contacts/{CONTACT}/say", json=what).raise_for_status()

    def stored() -> str | None:
        listed = instance.messages(connection=SHOP, direction="in")
        (media,) = [one["media"] for one in listed if one["type"] == "image"] or [{"state": None}]
        return media["url"] if media["state"] == "stored" else None

    return until("the file is stored", stored, 20), content


def bury(instance: Instance) -> str:
    """Send to a number that is not on WhatsApp; the dead letter's id."""
    instance.simulator.post(f"/contacts/{STRANGER}", json={"registered": False}).raise_for_status()
    body = {"connection": SHOP, "to": STRANGER, "text": "to nobody"}
    instance.api.post("/api/messages", json=body).raise_for_status()

    def dead() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = instance.api.get("/api/queue/dead").json()["items"]
        return found

    (letter,) = until("it is a dead letter", dead, 20)
    identity: str = letter["id"]
    return identity


def subscribe(instance: Instance, receiver: Receiver) -> str:
    wanted = {"url": receiver.url, "events": ["message.received"]}
    made = instance.api.post("/api/webhooks", json=wanted).raise_for_status().json()
    receiver.secrets.append(made["secret"])
    identity: str = made["id"]
    return identity


def detain(instance: Instance, exchange: Exchange) -> None:
    """Leave messages waiting in every place: lane, schedule, flight, server, inbox and spool."""
    refused(instance, 503)
    until("it is offline", lambda: instance.connection(SHOP)["state"] == "reconnecting", 10)
    for _ in range(3):
        exchange.send(SHOP, CONTACT)
        exchange.say(SHOP)
    content, kind = os.urandom(50_000), {"Content-Type": "application/pdf"}
    up = instance.api.post("/api/media", content=content, headers=kind).raise_for_status().json()
    media = {"sha256": up["sha256"]}
    exchange.send(SHOP, CONTACT, type="document", media=media, name="bill.pdf")
    for seconds in (2, 10):
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        exchange.send(SECOND, PATRON, send_at=due)

    for fault, to in (("withhold_acks", CONTACT), ("swallow", COLLEAGUE)):
        asked = instance.simulator.post(
            "/faults", json={"account": OTHER, "kind": fault, "count": 1}
        )
        exchange.send(SECOND, to)
        number: int = asked.raise_for_status().json()["id"]
        until(f"{fault} struck", partial(struck, instance, number), 10)
        exchange.send(SECOND, to)

    settings = Settings.load(instance.data)
    instance.process("state").send_signal(signal.SIGSTOP)
    exchange.say(SECOND)
    exchange.say(SECOND)
    inbox = settings.sessions / SECOND / "session.db"
    until("the inbox has them", lambda: rows(inbox, "inbox") >= 2, 10)
    with Redis.from_url(settings.redis_address) as valkey:
        valkey.config_set("maxmemory", 1)
    exchange.send(SHOP, CONTACT)
    exchange.send(SECOND, CONTACT)
    exchange.send(SECOND, COLLEAGUE)
    assert rows(settings.data / "spool.db", "spool") == 3


def rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (count,) = database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(count)


def paired(instance: Instance, connection: str) -> tuple[int, str, list[tuple[int, float]]]:
    """Its epoch, its account, and the devices that the account's phone has linked, since when."""
    seen = instance.connection(connection)
    account = instance.simulator.get(f"/accounts/{ACCOUNTS[connection]}").raise_for_status()
    devices = [(one["device"], one["paired_at"]) for one in account.json()["devices"]]
    return seen["epoch"], seen["account"], devices


def opens(instance: Instance, connection: str, before: int) -> bool:
    """Whether it is open in a later epoch than `before`; fails where it shows a QR instead."""
    seen = instance.connection(connection)
    assert seen["state"] not in {"pairing", "logged_out", "failed"}, seen["state"]
    return bool(seen["state"] == "open" and seen["epoch"] > before)
