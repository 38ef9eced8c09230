"""Kinds of message through the API: what they may speak of, and what becomes of that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.messages.content import Poll, PollVote, Reaction, Target, Text
from tests.integration.gateway.api.messages.test_messages import send
from tests.integration.gateway.api.played_connection import (
    CHAT,
    NOBODY,
    Rest,
    change,
    listed,
    message,
)
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from actors.queue.outbound_queue import OutboundQueue
    from tests.integration.gateway.served import Api, Gateway


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (
            {"type": "location", "latitude": -23.5, "longitude": 46, "name": "Here"},
            {"latitude": -23.5, "longitude": 46, "name": "Here", "address": None},
        ),
        (
            {"type": "contact", "contacts": [{"name": "Ana; B", "phone": "+1 555 010 0009"}]},
            {
                "contacts": [
                    {
                        "name": "Ana; B",
                        "vcard": "BEGIN:VCARD\nVERSION:3.0\nN:;Ana\\; B;;;\nFN:Ana\\; B\n"
                        "TEL;type=CELL;waid=15550100009:+15550100009\nEND:VCARD",
                    }
                ]
            },
        ),
        (
            {"type": "poll", "question": "Tea?", "options": ["yes", "no"], "choices": 2},
            {"question": "Tea?", "options": ["yes", "no"], "choices": 0},
        ),
    ],
)
async def test_a_kind_is_the_same_from_the_api_to_the_engine_and_back(
    api: Api, rest: Rest, body: dict[str, Any], content: dict[str, Any]
) -> None:
    answer = api.post("/api/messages", json={"connection": "shop", "to": CHAT, **body})
    assert answer.status_code == 202, answer.text
    shown = {"type": body["type"], **content}
    assert message(api, answer.json()["id"])["content"] == shown
    (job,) = await rest.sends()
    assert job.decoded.type == body["type"]
    found = listed(api, answer.json()["id"])
    assert (found["content"], found["text"], found["status"]) == (shown, None, "sent")


async def test_a_reply_quotes_what_it_answers(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("THEIRS", Text("well?"))
    ours = send(api, "yes", reply_to=theirs)
    also = send(api, "and no", reply_to=ours["id"])
    first, second = await rest.sends()
    assert isinstance(first.decoded, Text)
    assert isinstance(second.decoded, Text)
    assert first.decoded.reply_to is not None
    assert second.decoded.reply_to is not None
    assert (first.decoded.reply_to.target, first.decoded.reply_to.text) == (
        Target("THEIRS", CHAT),
        "well?",
    )
    assert second.decoded.reply_to.target == Target(ours["message_id"], None)
    assert message(api, ours["id"])["reply_to"] == {"id": theirs, "message_id": "THEIRS"}
    assert listed(api, also["id"])["reply_to"]["id"] == ours["id"]


async def test_words_that_the_state_store_has_alone_are_quoted_and_voted_on(
    api: Api, rest: Rest, lanes: OutboundQueue
) -> None:
    """G13: Redis drops them once the message is sent and stored."""
    poll = {"type": "poll", "question": "Tea?", "options": ["yes", "no"]}
    asked = api.post("/api/messages", json={"connection": "shop", "to": CHAT, **poll}).json()
    told = send(api, "at noon?")
    jobs = {job.id: job.decoded for job in await rest.sends()}
    for each in (asked, told):
        record = await lanes.reader.get(each["id"])
        assert record is not None
        assert (record.text, record.content, record.stored) == ("", "", True)
    assert message(api, told["id"])["text"] == "at noon?"
    await lanes.receipts(SHOP, [(told["message_id"], "read", time.time())])
    await rest.mirrors()
    for look in (message, listed):
        found = look(api, told["id"])
        assert (found["text"], found["status"]) == ("at noon?", "read")
    send(api, "yes", reply_to=told["id"])
    change(api, "poll_vote", asked["id"], options=["no"])
    change(api, "reaction", told["id"], emoji="👍")
    reply, vote, reaction = [job.decoded for job in await rest.sends()]
    assert isinstance(reply, Text)
    assert reply.reply_to is not None
    assert reply.reply_to.text == "at noon?"
    secret = getattr(jobs[asked["id"]], "secret", None)
    assert vote == PollVote(Target(asked["message_id"], None), ("no",), secret)
    assert isinstance(reaction, Reaction)
    assert change(api, "delete", told["id"]).status_code == 202
    await rest.sends()
    await rest.mirrors()
    for look in (message, listed):
        found = look(api, told["id"])
        assert (found["text"], found["deleted_at"] is None) == (None, False)


async def test_what_cannot_be_spoken_of(api: Api, rest: Rest) -> None:
    ours, theirs = send(api, "hi"), await rest.receives("OTHERS", Text("hi"))
    sealed = await rest.receives("SEALED", Poll("Tea?", ("yes", "no"), 1))
    poll = await rest.receives("POLL", Poll("Tea?", ("x", "y"), 1, "ab" * 32))
    later = send(api, "later", send_at="2030-01-01T00:00:00Z")
    cancelled = send(api, "cancelled", send_at="2030-01-01T00:00:00Z")
    api.delete(f"/api/messages/{cancelled['id']}").raise_for_status()
    elsewhere = send(api, "hi", to="15550100003")
    place = api.post(
        "/api/messages",
        json={"connection": "shop", "to": CHAT, "type": "location", "latitude": 1, "longitude": 1},
    ).json()
    reaction = change(api, "reaction", ours["id"], emoji="x").json()
    more: dict[str, dict[str, Any]] = {
        "reaction": {"emoji": "x"},
        "edit": {"text": "x"},
        "delete": {},
        "poll_vote": {"options": ["yes"]},
    }
    for kind, identity, status, code in (
        ("reaction", NOBODY, 404, "unknown_target"),
        ("reaction", NOBODY.replace("shop", "other"), 404, "unknown_target"),
        ("reaction", f"{SHOP}.in." + "0" * 24, 404, "unknown_target"),
        ("reaction", reaction["id"], 404, "unknown_target"),
        ("reaction", elsewhere["id"], 409, "target_elsewhere"),
        ("reaction", later["id"], 409, "target_not_sent"),
        ("delete", cancelled["id"], 409, "target_not_sent"),
        ("edit", theirs, 409, "not_own_message"),
        ("delete", theirs, 409, "not_own_message"),
        ("edit", place["id"], 409, "not_editable"),
        ("poll_vote", ours["id"], 409, "not_a_poll"),
        ("poll_vote", sealed, 409, "poll_unreadable"),
        ("poll_vote", poll, 422, "unknown_option"),
    ):
        answer = change(api, kind, identity, **more[kind])
        assert (answer.status_code, answer.json()["code"]) == (status, code), (kind, identity)
    answer = change(api, "poll_vote", poll, options=["x", "y"])
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_options")
    answer = api.post(
        "/api/messages",
        json={"connection": "shop", "to": CHAT, "text": "hi", "reply_to": elsewhere["id"]},
    )
    assert answer.json()["code"] == "target_elsewhere"
    api.delete(f"/api/messages/{later['id']}")
    await rest.sends()


async def test_the_same_key_gives_the_first_answer_whatever_became_of_the_message(
    api: Api, rest: Rest
) -> None:
    ours = send(api, "hi")
    await rest.sends()
    first = change(api, "delete", ours["id"], key="once")
    await rest.sends()
    again = change(api, "delete", ours["id"], key="once")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    other = change(api, "reaction", ours["id"], emoji="x", key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


async def test_without_redis_nothing_is_said_of_what_is_not_known(
    own_gateway: Gateway, own_valkey: Any
) -> None:
    own_valkey.kill()
    answer = change(own_gateway.api, "reaction", NOBODY, emoji="x")
    assert (answer.status_code, answer.json()["code"]) == (503, "redis_away")
