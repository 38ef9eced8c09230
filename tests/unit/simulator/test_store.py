"""The store: nothing leaves before its commit, and nothing of a failed transaction stays."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from simulator.contacts import message_content
from simulator.contacts.inbox import ContactInboxes
from simulator.contacts.people import People
from simulator.contacts.sent_messages import SentMessages, sent_content
from simulator.contacts.signal_endpoints import SignalEndpoints
from simulator.server.companions import Companions
from simulator.server.delivery.offline_queue import OfflineQueue
from simulator.store import Store
from simulator.store_tables import VERSION
from simulator.wire.protocol_library import JID, Node, encode

LATER = (("said", "received"),)
"""Tables and columns that the fourth version lacked."""
ADDED = (("queue", "asked"), ("inbox", "name"), ("companions", "shown_name"), *LATER)
"""Columns that the third version lacked."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.db"


def test_actions_run_after_the_outermost_commit(path: Path) -> None:
    store, other = Store(path), Store(path)
    seen: list[int] = []
    with store.transaction():
        with store.transaction():
            store.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')")
            store.after_commit(lambda: seen.append(other.number("SELECT count(*) FROM meta")))
        assert seen == []
    assert seen == [1]
    store.close()
    other.close()


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    store = Store(path)
    forgotten: list[bool] = []
    left: list[bool] = []
    store.on_rollback(lambda: forgotten.append(True))

    def fail() -> None:
        with store.transaction():
            store.execute("INSERT INTO meta (name, value) VALUES ('a', x'00')")
            store.after_commit(lambda: left.append(True))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert store.number("SELECT count(*) FROM meta") == 0
    assert (forgotten, left) == ([True], [])
    with store.transaction():
        store.after_commit(lambda: left.append(False))
    assert left == [False]
    store.close()


def test_a_secret_stays_the_same(path: Path) -> None:
    store = Store(path)
    first = store.secret("root", lambda: b"one")
    store.close()
    again = Store(path)
    assert again.secret("root", lambda: b"another") == first == b"one"
    again.close()


def test_a_failed_part_leaves_the_rest(path: Path) -> None:
    store = Store(path)
    forgotten: list[bool] = []
    left: list[str] = []
    store.on_rollback(lambda: forgotten.append(True))

    def fail() -> None:
        with store.savepoint():
            store.count("1", "failed")
            store.after_commit(lambda: left.append("failed"))
            raise RuntimeError("broken")

    with store.transaction():
        with store.savepoint():
            store.count("1", "done")
            store.after_commit(lambda: left.append("done"))
        with pytest.raises(RuntimeError, match="broken"):
            fail()
        assert left == []
        store.count("1", "done")
    assert (store.counted("1", "done"), store.counted("1", "failed")) == (2, 0)
    assert (left, forgotten) == (["done"], [True])
    store.close()


def test_a_file_of_the_second_version(path: Path) -> None:
    """It knew texts alone, and has neither the message itself nor what is shown beside it."""
    store = Store(path)
    inbox = ContactInboxes(store)
    device = ("15550100002", 0)
    inbox.add(device, "15550100001", "M1", chat=device[0], kind="text", text="hello")
    store.execute(
        "INSERT INTO said (number, device, recipient, id, text, addressing, at)"
        " VALUES (?, 0, ?, 'M2', 'there', 's.whatsapp.net', 1.0)",
        *("15550100002", "15550100001"),
    )
    for table, column in (("inbox", "content"), ("inbox", "fields"), ("said", "content")):
        store.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table, column in ADDED:
        store.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    store.execute("DROP TABLE groups")
    store.execute("PRAGMA user_version = 1")
    store.close()
    Store(path).close()
    store = Store(path)
    (item,) = ContactInboxes(store).received(device[0])
    assert (item["text"], item["content"]) == ("hello", {})
    row = store.row("SELECT * FROM said")
    assert row is not None
    assert sent_content(row).conversation == "there"
    assert store.number("SELECT count(*) FROM groups") == 0
    assert store.number("PRAGMA user_version") == VERSION
    store.close()


def test_a_file_of_the_third_version(path: Path) -> None:
    """Its queue knows no requests for a message anew, and it kept nothing of what was late."""
    store = Store(path)
    queue, device = OfflineQueue(store), ("15550100001", 1)
    stanza = Node("message", {"from": JID("15550100002"), "id": "M1"})
    place = queue.put(device, stanza, encode(stanza))
    for table, column in ADDED:
        store.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    store.execute("DROP TABLE unanswered")
    store.execute("PRAGMA user_version = 2")
    store.close()
    Store(path).close()
    store = Store(path)
    queue = OfflineQueue(store)
    queue.note_retry(device, "M1", 1)
    assert queue.acknowledge(device, Node("ack", {"class": "message", "id": "M1"})) == [place]
    assert store.number("SELECT count(*) FROM unanswered") == 0
    assert store.number("PRAGMA user_version") == VERSION
    store.close()


def test_a_file_of_the_fourth_version(path: Path) -> None:
    """It did not tell messages that a device has from those that their author sees delivered."""
    store = Store(path)
    sent = SentMessages(store)
    sent.add("15550100002", 0, "15550100001", message_content.text("hello"), "lid")
    for table, column in LATER:
        store.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    store.execute("PRAGMA user_version = 3")
    store.close()
    Store(path).close()
    store = Store(path)
    (item,) = SentMessages(store).of("15550100002")
    assert (item["text"], item["received"]) == ("hello", False)
    assert store.number("PRAGMA user_version") == VERSION
    store.close()


def test_a_file_of_the_first_version(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(Path(__file__).with_name("first_version.sql").read_text())
    old.close()
    device = ("15550100001", 1)
    Store(path).close()
    store = Store(path)
    friend = People(store).named("15550100002")
    assert (friend.last_device, friend.prekeys, friend.addressing) == (3, -1, "")
    (item,) = ContactInboxes(store).received(friend.number)
    assert (item["text"], item["deliveries"], item["devices"]) == ("hello", 2, [0])
    (companion,) = Companions(store).of("15550100001")
    assert (companion.logins, companion.version, companion.shown_name) == (4, "", "")
    phone = SignalEndpoints(store).phone(friend.number)
    assert (phone.registration, phone.adv, phone.key_index) == (77, b"", 0)
    queue = OfflineQueue(store)
    assert [one.seq for one in queue.waiting(device)] == [9]
    # whose receipt it is was not kept then: any ack of it will do
    attrs = {"class": "receipt", "id": "M1", "to": JID(friend.number, device=2)}
    assert queue.acknowledge(device, Node("ack", attrs))
    assert store.number("SELECT count FROM undecrypted") == 2
    assert store.number("SELECT delivered FROM said WHERE device = 0") == 1
    store.close()
