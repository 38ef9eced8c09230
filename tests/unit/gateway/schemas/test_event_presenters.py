"""Events as readers get them: each fits its model, and an unreadable one has a code of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from actors.messages.content import Delete, Edit, PollVote, Reaction, Target
from actors.state.events.deliveries import Attempt, Delivery
from actors.state.events.derivation import of_change
from actors.state.events.event import EVENT_TYPES, Event, EventType
from actors.state.events.outbox import NumberedEvent
from actors.state.webhooks import Progress, Secret, Webhook
from gateway.schemas import event_presenters
from gateway.schemas.event_presenters import PairingText
from gateway.schemas.events import EVENT_MODELS, example
from tests.api_document import DOCUMENT
from tests.unit.gateway.schemas.stored_documents import (
    ADDED,
    ALERT,
    ANA,
    CALL,
    CONTACT,
    FILE,
    GROUP,
    LIMIT,
    MESSAGE,
    MUTED,
    PAIRING,
    PICTURE,
    RENAMED,
    RENAMED_GROUP,
    SENT,
    STATE,
)

SCHEMA = DOCUMENT["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"]


def stored(kind: EventType, data: dict[str, Any]) -> NumberedEvent:
    return NumberedEvent(7, 8.0, Event("evt_1", kind, data.get("connection"), 5.0, data))


def data_of(kind: EventType) -> dict[str, Any]:
    noun = kind.partition(".")[0]
    if kind == "message.received":
        return MESSAGE
    if kind == "message.media":
        return FILE
    if kind == "message.changed":
        return of_change(
            Reaction(Target("A", ANA), "x"),
            who=ANA,
            at=5.0,
            message_id="C",
            target="shop.a",
            chat=ANA,
        ).data
    if kind in {"connection.qr", "connection.passkey"}:
        return PAIRING
    if kind == "connection.limited":
        return LIMIT
    if kind == "contact.updated":
        return CONTACT
    if kind == "contact.picture":
        return PICTURE
    if kind == "chat.renamed":
        return RENAMED
    if kind == "group.participants":
        return ADDED
    known: dict[str, dict[str, Any]] = {
        "group": RENAMED_GROUP,
        "message": SENT,
        "connection": STATE,
        "call": CALL,
        "chat": MUTED,
        "alert": ALERT,
    }
    return known[noun]


def check(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    schema = {**SCHEMA["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(found)
    return found


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_type_is_written_as_the_document_promises(kind: EventType) -> None:
    found = check(event_presenters.written(stored(kind, data_of(kind))))
    assert (found["id"], found["seq"], found["type"]) == ("evt_1", 7, kind)
    assert found["timestamp"] == "1970-01-01T00:00:05.000Z"
    assert b"\n" not in event_presenters.written(stored(kind, data_of(kind)))


def test_every_type_has_one_model_and_the_example_fits() -> None:
    named = [
        name for model in EVENT_MODELS for name in get_args(model.model_fields["type"].annotation)
    ]
    assert sorted(named) == sorted(EVENT_TYPES)
    check(json.dumps(example()).encode())


@pytest.mark.parametrize(
    ("until", "reason", "shown"),
    [(25.0, "time_lock", "1970-01-01T00:00:25.000Z"), (None, None, None)],
)
def test_a_limit_has_its_end_or_says_that_it_is_over(
    until: float | None, reason: str | None, shown: str | None
) -> None:
    event = stored("connection.limited", {**LIMIT, "until": until, "reason": reason})
    assert check(event_presenters.written(event))["data"] == {
        "id": "shop",
        "limited_until": shown,
        "limit_reason": reason,
        "since": "1970-01-01T00:00:05.000Z",
    }


@pytest.mark.parametrize("kind", ["qr", "code"])
def test_an_event_has_a_qr_or_a_code_only_where_it_is_given(kind: str) -> None:
    event = stored("connection.qr", {**PAIRING, "kind": kind})
    found = check(event_presenters.written(event, PairingText("2@psst", None)))["data"]
    other = "code" if kind == "qr" else "qr"
    assert (found[kind], found[other], found["withheld"]) == ("2@psst", None, None)
    assert (found["number"], found["expires_at"]) == (3, "1970-01-01T00:00:25.000Z")
    found = check(event_presenters.written(event))["data"]
    assert (found["qr"], found["code"], found["withheld"]) == (None, None, "expired")
    found = check(event_presenters.written(event, PairingText(withheld="missing_scope")))["data"]
    assert (found["qr"], found["code"], found["withheld"]) == (None, None, "missing_scope")
    assert "psst" not in repr(PairingText("2@psst", None))


def test_a_file_has_its_address_its_hash_and_who_sent_it() -> None:
    found = check(event_presenters.written(stored("message.media", FILE)))["data"]
    assert found["author"]["name"] == "Ana Pereira"
    assert (found["connection"], found["direction"], found["type"]) == ("shop", "in", "image")
    assert found["media"] == {
        **FILE["content"]["file"],
        **FILE["media"],
        "name": None,
        "url": f"/api/messages/{FILE['id']}/media",
    }


@pytest.mark.parametrize("content", [{"file": None}, None], ids=["unnamed", "cut"])
def test_a_file_that_its_message_does_not_name_has_the_reason_alone(content: Any) -> None:
    unusable = {"state": "failed", "error": "media_unusable"}
    event = stored("message.media", {**FILE, "content": content, "media": unusable})
    found = check(event_presenters.written(event))["data"]["media"]
    assert {name for name, value in found.items() if value} == {"state", "error", "url"}


def test_a_call_has_its_caller_and_whether_it_rings() -> None:
    event = stored("call.received", CALL)
    assert check(event_presenters.written(event))["data"] == {
        **CALL,
        "connection": "shop",
        "at": "1970-01-01T00:00:05.000Z",
        "author": {"address": ANA, "number": "15550100002", "lid": None, "name": "+15550100002"},
    }


def test_who_changes_a_message_has_a_name() -> None:
    reaction, named = Reaction(Target("A", ANA), "x"), {"sender_name": "Ana", "sender_lid": None}
    told: dict[str, Any] = {"at": 5.0, "message_id": "C", "target": "shop.a", "chat": ANA}

    def author(who: str) -> Any:
        event = of_change(reaction, who=who, named=named, **told)
        return check(event_presenters.written(stored("message.changed", event.data)))["data"][
            "author"
        ]

    assert author(ANA)["name"] == "Ana"
    assert author("me") is None


def test_a_step_says_which_and_no_words() -> None:
    found = check(event_presenters.written(stored("message.delivered", SENT)))
    assert found["data"]["status"] == "delivered"
    assert "psst" not in json.dumps(found)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (Reaction(Target("A", ANA), "x"), {"change": "reaction", "emoji": "x"}),
        (Edit(Target("A", ANA), "new"), {"change": "edit", "text": "new"}),
        (Delete(Target("A", ANA)), {"change": "delete"}),
        (PollVote(Target("A", ANA), ("a", "b")), {"change": "vote", "options": ["a", "b"]}),
    ],
)
def test_changes(change: Any, fields: dict[str, Any]) -> None:
    event = of_change(change, who="me", at=5.0, message_id="C", target="shop.a", chat=ANA)
    found = check(event_presenters.written(NumberedEvent(7, 8.0, event)))["data"]
    none = {"emoji": None, "text": None, "options": None}
    assert {name: found[name] for name in (*none, "change")} == {**none, **fields}


@pytest.mark.parametrize("kind", EVENT_TYPES)
@pytest.mark.parametrize("data", [{}, {"id": 5}])
def test_what_another_release_wrote_may_be_unreadable(
    kind: EventType, data: dict[str, Any]
) -> None:
    with pytest.raises(event_presenters.UnreadableEvent):
        event_presenters.written(stored(kind, data))


def test_an_event_that_was_cut_is_written_all_the_same() -> None:
    cut = replace(stored("message.received", {**MESSAGE, "text": None}), cut=True)
    found = check(event_presenters.written(cut))
    assert (found["cut"], found["data"]["text"]) == (True, None)


TOOK = Attempt(8.5, 204, None, 0.2)
REFUSED = Attempt(8.1, 500, "status_500", 0.1)


@pytest.mark.parametrize(
    ("seq", "kept", "first", "shown", "tries"),
    [
        (6, None, None, ("delivered", None), []),
        (6, None, TOOK, ("delivered", 1), [204]),
        (7, None, None, ("waiting", 0), []),
        (8, None, None, ("delivered", None), []),  # beyond the cursor, and done
        (9, None, TOOK, ("delivered", 1), [204]),  # its progress is not stored yet
        (5, ("dead", (REFUSED, REFUSED)), None, ("dead", 2), [500, 500]),
        (5, ("behind", ()), None, ("waiting", 0), []),
        (5, ("repeat", (TOOK,)), None, ("waiting", 1), [204]),
        (5, ("delivered", (REFUSED, TOOK)), None, ("delivered", 2), [500, 204]),
    ],
)
def test_how_far_a_delivery_is(
    seq: int,
    kept: tuple[Any, tuple[Attempt, ...]] | None,
    first: Attempt | None,
    shown: tuple[str, int | None],
    tries: list[int],
) -> None:
    webhook = Webhook("wh_1", "x", (Secret("x"),), 1.0, progress=Progress(cursor=6, done=(8, 8)))
    event = replace(stored("alert.raised", ALERT), seq=seq)
    delivery = None
    if kept is not None:
        delivery = Delivery("wh_1", event, "waiting", "/alert")
        for each in kept[1]:
            delivery = delivery.tried(each, "waiting")
        delivery = Delivery.of({**delivery.document, "status": kept[0]})
    found = event_presenters.delivery(event, webhook, delivery, first)
    assert (found.status, found.attempts) == shown
    assert [each.http_status for each in found.tries] == tries
    if tries:
        last = TOOK if tries[-1] == 204 else REFUSED
        assert (found.error, found.tries[-1].seconds) == (last.error, last.seconds)


def test_a_delivery_of_an_older_release_is_shown_without_its_attempts() -> None:
    event = stored("alert.raised", ALERT)
    known = Delivery("wh_1", event, "dead", None).document
    old = {name: known[name] for name in ("webhook", "seq", "event", "status", "at")}
    delivery = Delivery.of({**old, "attempts": 9, "error": "timeout", "tried_at": 9.0})
    webhook = Webhook("wh_1", "x", (Secret("x"),), 1.0, progress=Progress(cursor=6))
    found = event_presenters.delivery(event, webhook, delivery, None)
    assert (found.status, found.attempts, found.tries) == ("dead", 9, [])


def test_a_webhook_is_shown_without_its_secrets() -> None:
    webhook = Webhook(
        "wh_1",
        "x",
        (Secret("whsec_psst"),),
        1.0,
        progress=Progress(cursor=6, done=(8, 8), parked=5, held=2),
        headers={"Authorization": "Bearer psst"},
    )
    shown = event_presenters.webhook(webhook, 10)
    assert (shown["waiting"], shown["held_chats"]) == (3 + 5, 2)
    assert shown["headers"] == {"Authorization": "***"}
    assert "psst" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("until", "muted", "shown"),
    [(25.0, True, "1970-01-01T00:00:25.000Z"), (None, True, None), (4.0, False, None)],
)
def test_a_mute_is_shown_as_it_is_at_that_time(
    until: float | None, muted: bool, shown: str | None
) -> None:
    settings = {"mute": {"value": {"until": until}, "at": 5.0}, "label:5": {"value": True, "at": 1}}
    found = check(event_presenters.written(stored("chat.updated", {**MUTED, "settings": settings})))
    assert found["data"] == {
        "connection": "shop",
        "chat": ANA,
        "archived": False,
        "pinned": False,
        "unread": False,
        "muted": muted,
        "muted_until": shown,
        "labels": ["5"],
        "cleared_at": None,
    }


def test_a_renamed_chat_is_shown_with_both_addresses() -> None:
    found = check(event_presenters.written(stored("chat.renamed", RENAMED)))["data"]
    assert found == {**RENAMED, "connection": "shop", "at": "1970-01-01T00:00:05.000Z"}


@pytest.mark.parametrize("settings", [CONTACT["settings"], {}])
def test_a_contact_has_its_names_or_says_that_it_is_gone(settings: dict[str, Any]) -> None:
    event = stored("contact.updated", {**CONTACT, "settings": settings})
    found = check(event_presenters.written(event))["data"]
    full, first = ("Ana Pereira", "Ana") if settings else (None, None)
    assert found == {
        "connection": "shop",
        "address": ANA,
        "name": full,
        "full_name": full,
        "first_name": first,
    }


@pytest.mark.parametrize(("id_", "shown"), [("1893456000", "1893456000"), ("", None)])
def test_another_picture_of_a_person_has_its_id_or_says_that_there_is_none(
    id_: str, shown: str | None
) -> None:
    event = stored("contact.picture", {**PICTURE, "picture": {**PICTURE["picture"], "id": id_}})
    assert check(event_presenters.written(event))["data"] == {
        "connection": "shop",
        "address": ANA,
        "number": "15550100002",
        "lid": None,
        "name": "Ana Pereira",
        "picture_id": shown,
        "at": "1970-01-01T00:00:05.000Z",
    }


def test_a_test_event_is_one_as_the_document_promises() -> None:
    webhook = Webhook("wh_1", "x", (Secret("x"),), 1.0)
    event = event_presenters.trial(webhook, "evt_1", 5.0)
    found = check(event.__pydantic_serializer__.to_json(event))
    assert (found["type"], found["seq"], found["data"]) == ("webhook.test", 0, {"webhook": "wh_1"})


def test_a_changed_setting_of_a_group_has_its_value_and_its_author() -> None:
    found = check(event_presenters.written(stored("group.updated", RENAMED_GROUP)))["data"]
    assert (found["connection"], found["chat"]) == ("shop", GROUP)
    assert (found["setting"], found["value"], found["author"]["name"]) == (
        *("subject", "Chess club"),
        "Ana Pereira",
    )
    timer = {**RENAMED_GROUP, "setting": "ephemeral", "value": 86400, "by": None}
    found = check(event_presenters.written(stored("group.updated", timer)))["data"]
    assert (found["setting"], found["value"], found["author"]) == ("ephemeral_seconds", 86400, None)
    for value in (True, False):
        locked = {**RENAMED_GROUP, "setting": "locked", "value": value}
        found = check(event_presenters.written(stored("group.updated", locked)))["data"]
        assert found["value"] is value


def test_changed_members_are_people() -> None:
    found = check(event_presenters.written(stored("group.participants", ADDED)))["data"]
    assert (found["change"], found["author"]) == ("added", None)
    assert [(each["address"], each["name"]) for each in found["people"]] == [
        (ANA, "Ana Pereira"),
        ("90000000000002@lid", None),
    ]
