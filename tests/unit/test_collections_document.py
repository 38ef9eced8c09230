"""`docs/collections.md` names every field that is written, by what writes them."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.abilities.port import Call
from actors.connection.owner.reporter import PairingNotice
from actors.health.alerts import Alert
from actors.health.checks import Verdict
from actors.health.samples import Backlog, ProbeResult, Sample
from actors.health.status_document import document
from actors.queue.mirror import mirror_writes
from actors.queue.records import Crash, record_of
from actors.state.account import chat_activity
from actors.state.account.app_state import changing
from actors.state.call_events import calling
from actors.state.connections import Connections, Observed, showing
from actors.state.documents import (
    API_KEYS,
    CHATS,
    CONNECTIONS,
    CONTACTS,
    DELIVERED,
    DELIVERIES,
    EVENT_LOG,
    EVENTS,
    HEALTH_ALERTS,
    HEALTH_STATUS,
    JOBS,
    LABELS,
    MESSAGES,
    QUOTAS,
    RECOVERY_ACTIONS,
    REVOKED_KEYS,
    WEBHOOKS,
)
from actors.state.events.deliveries import Attempt, Delivery, delivering
from actors.state.events.log import EventLog
from actors.state.messages.received import incoming
from actors.state.recovery_actions import recovery_action
from actors.state.sqlite.store import SqliteDocuments
from actors.state.tenants.ended_grants import end_limited
from actors.state.webhooks import Secret, Webhook, Webhooks
from gateway.http.api_keys import create, revoke
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "collections.md").read_text()


def documented(collection: str) -> set[str]:
    """Returns the words in backticks in the collection's table, maps' fields among them."""
    section = PAGE.partition(f"\n## `{collection}")[2].partition("\n## ")[0]
    return set(re.findall(r"`(\w+)`", section))


def fields(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(fields, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(fields, value))
    return set()


def check(collection: str, *documents: Mapping[str, Any]) -> None:
    written = set().union(*(fields(dict(each)) for each in documents)) - {"id"}
    assert written
    assert written <= documented(collection), written - documented(collection)


RECORD = record_of(
    "shop",
    "3EB0",
    {
        "status": "dead",
        "chat": "x",
        "type": "text",
        "text": "x",
        "priority": "5",
        "attempts": "1",
        "accepted_at": "1",
        "crash_log": "1 2 3 crashed",
        "revision": "1",
        **{f"{name}_at": "1" for name in ("queued", "waiting", "sending", "sent", "delivered")},
        **{f"{name}_at": "1" for name in ("read", "dead", "cancelled")},
    },
)
RECEIVED = {"at": 1, "chat": "x", "sender": "x", "message_id": "x", "type": "x", "text": "x"}
RECEIVED |= {"sender_name": "x", "sender_lid": "x", "chat_name": "x"}


def test_messages_and_jobs() -> None:
    assert RECORD.crashes == (Crash(1.0, 2.0, 3, "crashed"),)
    check(MESSAGES, mirror_writes.message(RECORD), incoming("shop", {**RECEIVED, "key": 1}, 1.0))
    check(JOBS, mirror_writes.job(RECORD))


def test_recovery_actions_and_alerts() -> None:
    check(RECOVERY_ACTIONS, recovery_action(role="x", action="gave_up", cause="x", at=1, seconds=0))
    check(HEALTH_ALERTS, Alert("x", None, "warning", "x", 1.0).write.data)


def test_health_status() -> None:
    ok = ProbeResult(ok=True, seconds=0)
    sample = Sample(1, 1, 1, 1, 1, 1, ok, ok, None, {}, Backlog())
    alert = Alert("x", None, "warning", "x", 1.0)
    check(HEALTH_STATUS, document(sample, Verdict("healthy", ()), [alert]), {"stuck": 0})


async def test_contacts_chats_and_labels(tmp_path: Path) -> None:
    changes = [
        AppStateChange.contact("x", full_name="x"),
        AppStateChange.mute("x", muted=True),
        AppStateChange.archive("x", archived=True),
        AppStateChange.pin("x", pinned=True),
        AppStateChange.unread("x", unread=True),
        AppStateChange.emptied("x", deleted=True),
        AppStateChange.label("5", name="x"),
    ]
    store = SqliteDocuments(tmp_path / "state.db")
    active = chat_activity.Activity("x", 1.0, "x", "arrived", "x")
    await store.batch(chat_activity.noting("shop", [active]))
    noted = {"key": 1, "epoch": 1, "collection": "x", "news": True, "at": 1.0, "noted_as": "x"}
    await store.batch([changing("shop", {**asdict(each), **noted}) for each in changes])
    for collection in (CONTACTS, CHATS, LABELS):
        (found,) = (await store.query(collection)).items
        written = fields(found) - {"id"}
        assert written <= documented(CONTACTS), written - documented(CONTACTS)
    await store.close()


async def test_connections_and_keys(tmp_path: Path) -> None:
    store = SqliteDocuments(tmp_path / "state.db")
    connections = Connections(store)
    made = await connections.create("shop")
    assert await connections.observe(made.id, Observed("open"))
    notice = asdict(PairingNotice("qr", 1, 60.0, 40.0))
    call = asdict(Call("A", "x", 1, "offered"))
    await store.batch([showing(made.id, 1, notice), calling(made.id, call)])
    (shown,) = (await store.query(CONNECTIONS)).items
    assert shown["pairing"] == {**notice, "epoch": 1}
    await create(store, name="x", scopes=["read"], connections=[made.id], quota=UNLIMITED)
    await end_limited(store, made.id)
    (key,) = (await store.query(API_KEYS)).items
    check(API_KEYS, key)
    await revoke(store, key["id"])
    for collection in (CONNECTIONS, REVOKED_KEYS):
        (found,) = (await store.query(collection)).items
        check(collection, found)
    await store.close()


async def test_events_webhooks_and_deliveries(tmp_path: Path) -> None:
    store = SqliteDocuments(tmp_path / "state.db")
    webhook = Webhook("wh_1", "x", (Secret("x", 1.0),), 1.0)
    await Webhooks(store).create(webhook, quota=UNLIMITED)
    await store.batch([Alert("x", None, "warning", "x", 1.0).write])
    (event,) = (await EventLog(store).after(0)).events
    attempt = Attempt.of(1.0, 500, 0.1)
    refused = Delivery("wh_1", event, "waiting", "/alert").tried(attempt, "dead")
    await store.batch([refused.write, *delivering("wh_1", {event.seq: attempt}, 1.0)])
    for collection in (EVENTS, EVENT_LOG, WEBHOOKS, DELIVERIES, DELIVERED, QUOTAS):
        (found,) = (await store.query(collection)).items
        check(collection, found)
    await store.close()


@pytest.mark.parametrize("name", ["colour", "size"])
def test_a_field_that_is_not_documented_is_noticed(name: str) -> None:
    with pytest.raises(AssertionError, match=name):
        check(JOBS, {**mirror_writes.job(RECORD), name: 1})
