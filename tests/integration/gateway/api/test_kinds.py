"""Kinds of message through the API: what they may speak of, and what becomes of that.

The connection is played on the real queue, its mirroring is the product's.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxMessage
from actors.messages.content import (
    Delete,
    Edit,
    Poll,
    PollVote,
    Reaction,
    Target,
    Text,
    encode,
    is_plain,
)
from actors.queue.upkeep import QueueUpkeep
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.account import chat_activity
from actors.state.documents import MESSAGES
from actors.state.messages.received import changing, content_of, incoming, storing
from tests.integration.gateway.api.test_messages import Actor, send
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.messages.content import Content
    from actors.queue.outbound_queue import OutboundQueue
    from actors.queue.records import Job
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway

CHAT = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
NOBODY = f"{SHOP}.3EB0000000000000000000"


class Rest(Actor):
    """The parts that send, mirror and receive for the connection."""

    def __init__(self, lanes: OutboundQueue, epoch: int, documents: Documents) -> None:
        super().__init__(lanes, epoch, SHOP)
        self.documents = documents
        self.upkeep = QueueUpkeep(lanes, documents, 30)
        self.came = 0

    async def sends(self) -> list[Job]:
        """Send all that is queued, mirror it, and return it."""
        sent: list[Job] = []
        while jobs := (await self.lanes.claim(SHOP, self.epoch, 10, time.time())).jobs:
            for job in jobs:
                await self.complete(job.id)
            sent += jobs
        await self.mirrors()
        return sent

    async def mirrors(self) -> None:
        await self.upkeep.list_connections()
        for _ in range(4):
            await self.upkeep.mirror()

    async def receives(self, message_id: str, said: Content, **more: Any) -> str:
        self.came += 1
        fields = {"sender": CHAT, **more}
        item = asdict(
            InboxMessage(
                key=self.came,
                chat=CHAT,
                message_id=message_id,
                at=int(time.time()),
                type=said.type,
                text=said.text if isinstance(said, Text) else None,
                content=None if is_plain(said) else encode(said),
                **fields,
            )
        )
        document = incoming(SHOP, item, time.time())
        known = chat_activity.of_message(document, document["id"])
        await self.documents.batch(
            [
                storing(document),
                *changing(SHOP, document, content_of(item)),
                *chat_activity.noting(SHOP, [known]),
            ]
        )
        return str(document["id"])


@pytest.fixture
async def rest(
    lanes: OutboundQueue, leases: Leases, api: Api, documents: Documents
) -> AsyncIterator[Rest]:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    made = Rest(lanes, lease.epoch, documents)
    await made.sends()
    yield made
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


def change(api: Api, kind: str, message: str, **more: Any) -> Any:
    body = {"connection": "shop", "to": CHAT, "type": kind, "message": message, **more}
    headers = {"Idempotency-Key": key} if (key := body.pop("key", None)) else {}
    return api.post("/api/messages", json=body, headers=headers)


def message(api: Api, identity: str) -> dict[str, Any]:
    answer = api.get(f"/api/messages/{identity}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(api: Api, identity: str) -> dict[str, Any]:
    items = api.get("/api/messages", params={"connection": "shop"}).json()["items"]
    found: dict[str, Any] = next(item for item in items if item["id"] == identity)
    return found


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
    assert job.said.type == body["type"]
    found = listed(api, answer.json()["id"])
    assert (found["content"], found["text"], found["status"]) == (shown, None, "sent")


async def test_a_reply_quotes_what_it_answers(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("THEIRS", Text("well?"))
    ours = send(api, "yes", reply_to=theirs)
    also = send(api, "and no", reply_to=ours["id"])
    first, second = await rest.sends()
    assert isinstance(first.said, Text)
    assert isinstance(second.said, Text)
    assert first.said.reply_to is not None
    assert second.said.reply_to is not None
    assert (first.said.reply_to.target, first.said.reply_to.text) == (
        Target("THEIRS", CHAT),
        "well?",
    )
    assert second.said.reply_to.target == Target(ours["message_id"], None)
    assert message(api, ours["id"])["reply_to"] == {"id": theirs, "message_id": "THEIRS"}
    assert listed(api, also["id"])["reply_to"]["id"] == ours["id"]


async def test_words_that_the_state_store_has_alone_are_quoted_and_voted_on(
    api: Api, rest: Rest, lanes: OutboundQueue
) -> None:
    """G13: Redis drops them once the message is sent and stored."""
    poll = {"type": "poll", "question": "Tea?", "options": ["yes", "no"]}
    asked = api.post("/api/messages", json={"connection": "shop", "to": CHAT, **poll}).json()
    told = send(api, "at noon?")
    jobs = {job.id: job.said for job in await rest.sends()}
    for each in (asked, told):
        record = await lanes.get(each["id"])
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
    reply, vote, reaction = [job.said for job in await rest.sends()]
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


async def test_an_edit_changes_the_text_and_keeps_what_it_was(api: Api, rest: Rest) -> None:
    """It stands behind its message in the lane, with its priority (G4)."""
    first = send(api, "hello", priority=7)
    edited = change(api, "edit", first["id"], text="hello you")
    assert edited.status_code == 202, edited.text
    one, two = await rest.sends()
    assert (one.id, two.said) == (
        first["id"],
        Edit(Target(first["message_id"], None), "hello you"),
    )
    for look in (message, listed):
        found = look(api, first["id"])
        assert (found["text"], [each["text"] for each in found["edits"]]) == (
            "hello you",
            ["hello"],
        )
        assert found["edited_at"] is not None
    own = message(api, edited.json()["id"])
    assert (own["type"], own["text"]) == ("edit", None)
    assert own["content"]["message"]["id"] == first["id"]
    # A receipt mirrors the message again: what others did to it stays.
    await rest.lanes.receipts(SHOP, [(first["message_id"], "read", time.time())])
    await rest.mirrors()
    found = listed(api, first["id"])
    assert (found["status"], found["text"]) == ("read", "hello you")


async def test_a_delete_leaves_nothing_of_what_was_said(
    api: Api, rest: Rest, documents: Documents, lanes: OutboundQueue
) -> None:
    first = send(api, "a secret")
    change(api, "edit", first["id"], text="another secret")
    assert change(api, "delete", first["id"]).status_code == 202
    await rest.sends()
    await rest.mirrors()
    for look in (message, listed):
        found = look(api, first["id"])
        assert (found["text"], found["edits"], found["type"]) == (None, [], "text")
        assert found["deleted_at"] is not None
    assert "secret" not in str(await documents.get(MESSAGES, first["id"]))
    record = await lanes.get(first["id"])
    assert record is not None
    assert "secret" not in str(asdict(record))
    answer = change(api, "reaction", first["id"], emoji="👍")
    assert (answer.status_code, answer.json()["code"]) == (409, "target_deleted")


async def test_reactions_of_both_sides(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("REACTED", Text("news"))
    ours = send(api, "more news")
    await rest.sends()
    await rest.receives("R1", Reaction(Target(ours["message_id"], None), "👍"))
    assert change(api, "reaction", theirs, emoji="🎉").status_code == 202
    (job,) = await rest.sends()
    assert job.said == Reaction(Target("REACTED", CHAT), "🎉")
    assert [(one["by"], one["emoji"]) for one in message(api, theirs)["reactions"]] == [
        ("me", "🎉")
    ]
    assert [(one["by"], one["emoji"]) for one in message(api, ours["id"])["reactions"]] == [
        (CHAT, "👍")
    ]
    change(api, "reaction", theirs, emoji="")
    await rest.sends()
    assert message(api, theirs)["reactions"] == []


async def test_votes_in_polls_of_both_sides(api: Api, rest: Rest, documents: Documents) -> None:
    """They stand behind their poll in the lane, with its priority (G4)."""
    poll = {"type": "poll", "question": "Tea?", "options": ["yes", "no"], "priority": 7}
    ours = api.post("/api/messages", json={"connection": "shop", "to": CHAT, **poll}).json()
    theirs = await rest.receives("ASKED", Poll("When?", ("now", "later"), 0, "cd" * 32))
    also = change(api, "poll_vote", theirs, options=["later", "now"])
    mine = change(api, "poll_vote", ours["id"], options=["no"])
    assert (also.status_code, mine.status_code) == (202, 202)
    jobs = {job.id: job.said for job in await rest.sends()}
    asked = jobs[ours["id"]]
    assert isinstance(asked, Poll)
    assert list(jobs).index(ours["id"]) < list(jobs).index(mine.json()["id"])
    assert jobs[also.json()["id"]] == PollVote(Target("ASKED", CHAT), ("now", "later"), "cd" * 32)
    assert jobs[mine.json()["id"]] == PollVote(
        Target(ours["message_id"], None), ("no",), asked.secret
    )
    for identity, options in ((ours["id"], ["no"]), (theirs, ["now", "later"])):
        for look in (message, listed):
            (noted,) = look(api, identity)["votes"]
            assert (noted["by"], noted["options"]) == ("me", options)
    own = listed(api, also.json()["id"])["content"]
    assert (own["message"]["id"], own["options"]) == (theirs, ["now", "later"])
    assert "cd" * 32 not in str(await documents.get(MESSAGES, also.json()["id"]))
    assert change(api, "poll_vote", theirs, options=[]).status_code == 202
    await rest.sends()
    assert message(api, theirs)["votes"][0]["options"] == []


async def test_what_the_phone_did_to_a_message_of_this_service(api: Api, rest: Rest) -> None:
    ours = send(api, "typed too fast")
    await rest.sends()
    target = Target(ours["message_id"], None)
    own = {"sender": ACCOUNT, "from_me": True}
    await rest.receives("E1", Edit(target, "typed well"), **own)
    assert message(api, ours["id"])["text"] == "typed well"
    await rest.receives("D1", Delete(target), **own)
    assert message(api, ours["id"])["text"] is None
    assert listed(api, ours["id"])["deleted_at"] is not None


async def test_what_comes_before_its_message_is_not_there_yet(api: Api, rest: Rest) -> None:
    early = await rest.receives("EARLY-R", Reaction(Target("EARLY", CHAT), "👍"))
    assert message(api, early)["content"]["emoji"] == "👍"
    target = message(api, early)["content"]["message"]["id"]
    answer = api.get(f"/api/messages/{target}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_message")
    assert change(api, "reaction", target, emoji="x").json()["code"] == "unknown_target"
    assert await rest.receives("EARLY", Text("here it is")) == target
    assert message(api, target)["reactions"][0]["emoji"] == "👍"


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
