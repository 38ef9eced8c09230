"""`teimoso up` on what an older build has: its data directory, a copy of a session, its backup. Nobody scans a QR.

Nothing is lost. Messages wait both ways as it stops, in every place where they can: also in a spool, which it had
while Redis took none.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import sqlite3
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from redis import Redis

from actors.config.settings import Settings
from actors.connection.session import SESSION_FILE
from actors.connection.whatsmeow import DATABASE
from tests.integration.gateway.receiver import Receiver
from tests.integration.whole.operations.older_code import (
    BEFORE,
    PROGRAM,
    checkout,
    environment,
    pull,
)
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP, STRANGER, refused, struck
from tests.integration.whole.traffic import OTHER, SECOND
from tests.processes.instance import Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

ACCOUNTS = {SHOP: ACCOUNT, SECOND: OTHER}
COLLEAGUE, PATRON = "15550100004", "15550100005"
FORMER = "former"
"""A connection of the engine native. It is not linked: the packages of that engine are not installed here."""
KEY = "5e" * 32
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
    variables = {
        **environment(code),
        "SESSION_ENCRYPTION_KEY": KEY,
        "STORAGE_BUCKET": str(tmp_path / "bucket"),
        "SESSION_BACKUP_INTERVAL": "3000",
        "WEBHOOK_URL_PRIVATE": "true",
        "RAY_DASHBOARD": "false",
    }
    data, outside = tmp_path / "data", tmp_path / "simulator"
    for directory in (data, outside, tmp_path / "bucket"):
        directory.mkdir()
    (data / "simulator").symlink_to(outside)  # no loss of the directory is WhatsApp's
    with Instance(data, variables) as running:
        running.pair(SHOP, ACCOUNT)
        running.pair(SECOND, OTHER)
        assert running.process("root").environ()["PYTHONPATH"].startswith(str(code))
        (program,) = running.process("connection", SHOP).children()
        assert program.exe() == str(code / PROGRAM)
        other, own = (
            {one["pid"] for one in each.status()["processes"]} for each in (instance, running)
        )
        assert not other & own
        yield running
    listed = instance.api.get("/api/connections").raise_for_status().json()["items"]
    assert [(one["id"], one["state"]) for one in listed] == [(SHOP, "open")]


def test_an_older_data_directory_is_taken_over(instance: Instance, code: Path) -> None:
    """Also of a service that was not stopped: all of it was killed, and so was the first start on it, twice."""
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
        inbox = detain(instance, exchange)
        session = instance.data / "sessions" / instance.incarnation(SHOP)
        created = instance.api.post("/api/connections", json={"id": FORMER, "engine": "native"})
        assert created.status_code == 201
        instance.kill_everything()
        settings = Settings.load(instance.data)
        assert rows(settings.data / "spool.db", "spool") == 3
        assert rows(inbox, "inbox") >= 2
        assert not receiver.taken

        pull(code)
        receiver.answer = lambda _: None
        start_anew(instance, session)
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
    seen = instance.connection(FORMER)
    assert (seen["state"], seen["cause"]) == ("failed", "engine_removed")


def test_an_older_backup_and_an_older_copy_restore(
    instance: Instance, tmp_path: Path, code: Path
) -> None:
    """The directory is lost: ``shop`` goes on from its newest copy in the bucket, the other one from the backup."""
    exchange, target = Exchange(instance), str(tmp_path / "backups")
    for each in ACCOUNTS:
        exchange.send(each, CONTACT)
        exchange.say(each)
    exchange.judge(20)
    made = instance.teimoso("backup", "create", "--to", target)
    assert made.returncode == 0, made.stdout + made.stderr
    backed_up = time.time()
    before = {each: paired(instance, each) for each in ACCOUNTS}
    copies = tmp_path / "bucket" / "sessions"
    newest, other = (copies / instance.incarnation(each) for each in (SHOP, SECOND))
    body = {"connection": SHOP, "to": PATRON, "text": "after the backup"}
    instance.api.post("/api/messages", json=body).raise_for_status()
    until("it arrived", partial(instance.inbox, PATRON), 20)
    until(
        "a copy is newer than the backup",
        lambda: any(one.stat().st_mtime > backed_up for one in newest.iterdir()),
        30,
    )
    instance.kill_everything()
    shutil.rmtree(instance.data)
    shutil.rmtree(other)

    pull(code)
    instance.data = tmp_path / "restored"
    restored = instance.teimoso("restore", target)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    (instance.data / "simulator").symlink_to(tmp_path / "simulator")
    instance.up()
    for each, (epoch, *rest) in before.items():
        until(f"{each} is open anew", partial(opens, instance, each, epoch), 60)
        _, *same = paired(instance, each)
        assert same == rest
        exchange.send(each, CONTACT)
        exchange.say(each)
    exchange.judge(30)


def start_anew(instance: Instance, session: Path) -> None:
    """Start the instance, which is killed as the connection's session has a new owner, and again as its keys have."""
    for file, table in ((SESSION_FILE, "file"), (DATABASE, "teimoso_fence")):
        cut_short(instance, session / file, table)
    instance.up()
    told = instance.teimoso("up", "--simulate", "--detach").stdout
    assert f"link the accounts of {FORMER} anew" in " ".join(told.split())


def cut_short(instance: Instance, file: Path, table: str) -> None:
    """Start the instance, and kill all of it as the file has a new owner."""
    before = epoch_in(file, table)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(instance.up)
        until("the file has a new owner", lambda: epoch_in(file, table) > before, 60)
        assert instance.kill_everything()


def epoch_in(file: Path, table: str) -> int:
    """The newest owner that the file has seen."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute(f"SELECT epoch FROM {table}").fetchone()[0])


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


def detain(instance: Instance, exchange: Exchange) -> Path:
    """Leave messages waiting in every place: lane, schedule, flight, server, inbox and spool.

    Returns the session file with the inbox.
    """
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
    inbox = settings.sessions / instance.incarnation(SECOND) / "session.db"
    until("the inbox has them", lambda: rows(inbox, "inbox") >= 2, 10)
    with Redis.from_url(settings.redis_address) as valkey:
        valkey.config_set("maxmemory", 1)
    exchange.send(SHOP, CONTACT)
    exchange.send(SECOND, CONTACT)
    exchange.send(SECOND, COLLEAGUE)
    assert rows(settings.data / "spool.db", "spool") == 3
    return inbox


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
