"""Each field of a document that is written is declared, and `docs/collections.md` has the declarations."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.connection.abilities.account_settings import (
    ACCOUNT_SETTINGS,
    GroupMembersValue,
    NamedPerson,
    PersonNames,
)
from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.abilities.port import Call
from actors.connection.limits.account_limits import LimitNotice
from actors.connection.owner.reporter import PairingNotice
from actors.health.alerts import Alert
from actors.health.checks import Reason, Verdict
from actors.health.samples import Backlog, ProbeResult, Sample
from actors.health.status_document import document
from actors.messages.content import Edit, Pin, PollVote, Reaction, Target
from actors.queue.mirror import mirror_writes
from actors.queue.records import Crash, record_of
from actors.state.account import chat_activity
from actors.state.account.app_state import changing
from actors.state.call_events import calling
from actors.state.connection_document import Observed
from actors.state.connections import Connections, limiting, renaming, showing
from actors.state.documents import (
    API_KEYS,
    CHATS,
    CONNECTIONS,
    CONTACTS,
    DELIVERED,
    DELIVERIES,
    EVENT_LOG,
    EVENTS,
    KEY_ISSUER,
    LABELS,
    MESSAGES,
    QUOTAS,
    REVOKED_KEYS,
    WEBHOOKS,
)
from actors.state.events.deliveries import Attempt, Delivery, delivering
from actors.state.events.log import EventLog
from actors.state.fencing import fence
from actors.state.messages.applied_changes import noting
from actors.state.messages.file_owners import owning
from actors.state.messages.file_states import settling
from actors.state.messages.received import incoming
from actors.state.recovery_actions import recovery_action
from actors.state.sqlite.store import SqliteDocuments
from actors.state.tenants.ended_grants import end_limited
from actors.state.webhooks import Secret, Webhook, Webhooks
from gateway.cli.reference import collections_page
from gateway.cli.reference.collections_page import declared
from gateway.cli.reference.settings_page import REPOSITORY
from gateway.http.api_keys import create, digest, ensure_first, revoke
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any

PAGE = (REPOSITORY / "docs" / "collections.md").read_text()
BY_COLLECTION = {name.partition("/")[0]: name for name in collections_page.DOCUMENTS}


def undeclared(document: Mapping[str, Any], *classes: type) -> set[str]:
    """Returns the fields that the classes do not declare, maps' fields among them."""
    types = {name: one for run in declared(*classes) for name, one in run.types.items()}
    found = document.keys() - types.keys() - {"id"}
    for name in document.keys() & types.keys():
        shape, part = types[name]
        if part is not None:
            for each in maps(document[name], shape):
                found |= {f"{name}.{field}" for field in undeclared(each, part)}
    return found


def maps(value: Any, shape: str) -> Iterable[Mapping[str, Any]]:
    """Returns the maps in a field whose type for people is `shape`."""
    if value is None:
        return ()
    if shape.startswith("list"):
        return value
    return value.values() if shape.startswith("map of") else (value,)


def check(name: str, *documents: Mapping[str, Any]) -> None:
    for each in documents:
        assert each
        assert not undeclared(each, *collections_page.DOCUMENTS[name])


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


def test_messages_jobs_and_files() -> None:
    assert RECORD.crashes == (Crash(1.0, 2.0, 3, "crashed"),)
    check("file_owners/{sha256}.{owner}", owning("x", "shop", 1.0).data)
    received = incoming("shop", {**RECEIVED, "key": 1}, 1.0)
    check("whatsapp_messages/{id}", mirror_writes.message(RECORD), received)
    check("message_queue_jobs/{id}", mirror_writes.job(RECORD))


async def test_changes_and_files_of_messages(tmp_path: Path) -> None:
    store = SqliteDocuments(tmp_path / "state.db")
    target = Target("M", sender="x")
    named = {"sender_name": "x", "sender_lid": "x"}
    changes = Reaction(target, "x", at_ms=1), PollVote(target, ("x",)), Pin(target, 60, at_ms=1)
    noted = partial(noting, "shop", "x", who="x", at=1.0, message_id="R", news=True, named=named)
    await store.batch([*map(noted, changes), noted(Edit(target, "x"))])
    item = {**RECEIVED, "message_id": "M", "status": "failed", "error": "x"}
    await store.batch([settling("shop", item, 1.0)])
    (found,) = (await store.query(MESSAGES)).items
    assert found["changes"].keys() == {"reactions", "votes", "pinned", "edits"}
    check("whatsapp_messages/{id}", found)
    await store.close()


def test_recovery_actions_and_alerts() -> None:
    action = recovery_action(role="x", action="gave_up", cause="x", at=1, seconds=0)
    check("recovery_actions/{id}", action)
    check("health_alerts/{id}", Alert("x", None, "warning", "x", 1.0).write.data)


def test_health_status() -> None:
    ok = ProbeResult(ok=True, seconds=0)
    sample = Sample(1, 1, 1, 1, 1, 1, ok, ok, None, {}, Backlog())
    alert = Alert("x", None, "warning", "x", 1.0)
    reason = Reason("x", "degraded", "x")
    check("health_status/latest", document(sample, Verdict("degraded", (reason,)), [alert]))


async def test_contacts_chats_and_labels(tmp_path: Path) -> None:
    store = SqliteDocuments(tmp_path / "state.db")
    active = chat_activity.Activity("x", 1.0, "x", "arrived", "x")
    await store.batch(chat_activity.noting("shop", [active]))
    noted = {"key": 1, "epoch": 1, "collection": "x", "news": True, "at": 1.0, "noted_as": "x"}
    await store.batch([changing("shop", {**asdict(each), **noted}) for each in CHANGES.values()])
    for collection in (CONTACTS, CHATS, LABELS):
        (found,) = (await store.query(collection)).items
        check(BY_COLLECTION[collection], found)
    await store.close()


PERSON = NamedPerson(address="x", sender_name=None, sender_lid=None)
NAMES = PersonNames(sender_name=None, sender_lid=None)
MEMBERS = GroupMembersValue(id="x", change="added", by=PERSON, people=[PERSON])
CHANGES = {
    "contact": AppStateChange.contact("x", full_name="x"),
    "picture": AppStateChange.picture("x", "7", NAMES, at=1.0),
    "mute": AppStateChange.mute("x", muted=True),
    "archive": AppStateChange.archive("x", archived=True),
    "pin": AppStateChange.pin("x", pinned=True),
    "unread": AppStateChange.unread("x", unread=True),
    "label_of_chat": AppStateChange.label_of_chat("x", "5", labelled=True),
    "emptied": AppStateChange.emptied("x", deleted=True),
    "group_setting": AppStateChange.group_setting("x", "locked", value=True, by=PERSON),
    "group_members": AppStateChange.group_members("x", MEMBERS),
    "label": AppStateChange.label("5", name="x"),
}
"""A change by each constructor of `AppStateChange`."""


def check_setting(subject: str, name: str, value: Any) -> None:
    """Asserts that `ACCOUNT_SETTINGS` declares the setting, and has all fields of its value."""
    exact = [each for each in ACCOUNT_SETTINGS if name in each.names]
    alike = [
        each
        for each in ACCOUNT_SETTINGS
        if any("{" in one and name.startswith(one.partition("{")[0]) for one in each.names)
    ]
    found = next(iter(exact or alike), None)
    assert found is not None, name
    assert found.subject.startswith(subject)
    if found.value is bool:
        assert value is True
    else:
        types = {name for run in declared(found.value) for name in run.types}
        assert (undeclared(value, found.value), value.keys()) == (set(), types)


def test_each_change_of_the_app_state_is_a_declared_setting() -> None:
    made = {name for name, one in vars(AppStateChange).items() if isinstance(one, classmethod)}
    assert CHANGES.keys() == made
    for change in CHANGES.values():
        check_setting(change.subject, change.setting, change.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("colour", True), ("mute", {"until": None, "colour": 1}), ("mute", {}), ("pinned", {})],
)
def test_a_setting_that_is_not_declared_is_noticed(name: str, value: object) -> None:
    with pytest.raises(AssertionError):
        check_setting("chat", name, value)


async def test_connections_and_keys(tmp_path: Path) -> None:
    store = SqliteDocuments(tmp_path / "state.db")
    connections = Connections(store)
    made = await connections.create("shop")
    assert await connections.observe(made.id, Observed("open"))
    notice = asdict(PairingNotice("qr", 1, 60.0, 40.0))
    call = asdict(Call("A", "x", 1, "offered"))
    limit = asdict(LimitNotice(60.0, "x", 40.0))
    changes = [limiting(made.id, limit), renaming(made.id, "x", "y", 1.0), fence(made.id, 1)]
    await store.batch([showing(made.id, 1, notice), calling(made.id, call), *changes])
    (shown,) = (await store.query(CONNECTIONS)).items
    assert shown["pairing"] == {**notice, "epoch": 1}
    await create(store, name="x", scopes=["read"], connections=[made.id], quota=UNLIMITED)
    await end_limited(store, made.id)
    (key,) = (await store.query(API_KEYS)).items
    check("api_keys/{id}", key)
    assert await ensure_first(store, "tmo_given") is None
    await revoke(store, digest("tmo_given")[:16])
    for collection in (CONNECTIONS, KEY_ISSUER, REVOKED_KEYS):
        (found,) = (await store.query(collection)).items
        check(BY_COLLECTION[collection], found)
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
        check(BY_COLLECTION[collection], found)
    await store.close()


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("colour", "colour", 1),
        ("crashes.colour", "crashes", [{"colour": 1}]),
    ],
)
def test_a_field_that_is_not_declared_is_noticed(name: str, field: str, value: object) -> None:
    with pytest.raises(AssertionError, match=name):
        check("message_queue_jobs/{id}", {**mirror_writes.job(RECORD), field: value})


def test_the_page_is_current() -> None:
    assert collections_page.markdown(PAGE) == PAGE, "`make docs`"


@pytest.mark.parametrize("heading", ["## `quotas/{collection}`", "## `moods/{id}`"])
def test_a_section_without_a_document_and_a_document_without_a_section_are_named(
    heading: str,
) -> None:
    page = PAGE.replace(heading, "## x") if heading in PAGE else f"{PAGE}{heading}\n"
    with pytest.raises(ValueError, match=r"quotas|moods"):
        collections_page.markdown(page)
