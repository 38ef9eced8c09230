"""Edits, deletes, reactions, pins and votes through the API, of this service, of contacts and of the phone."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from actors.messages.content import Delete, Edit, Pin, Poll, PollVote, Reaction, Target, Text
from actors.state.documents import MESSAGES
from tests.integration.gateway.api.messages.test_messages import send
from tests.integration.gateway.api.played_connection import (
    ACCOUNT,
    CHAT,
    Rest,
    change,
    listed,
    message,
)
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from actors.queue.outbound_queue import OutboundQueue
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api


async def test_an_edit_changes_the_text_and_keeps_what_it_was(api: Api, rest: Rest) -> None:
    """It stands behind its message in the lane, with its priority (G4)."""
    first = send(api, "hello", priority=7)
    edited = change(api, "edit", first["id"], text="hello you")
    assert edited.status_code == 202, edited.text
    one, two = await rest.sends()
    assert (one.id, two.decoded) == (
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
    record = await lanes.reader.get(first["id"])
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
    assert job.decoded == Reaction(Target("REACTED", CHAT), "🎉")
    assert [(one["by"], one["emoji"]) for one in message(api, theirs)["reactions"]] == [
        ("me", "🎉")
    ]
    assert [(one["by"], one["emoji"]) for one in message(api, ours["id"])["reactions"]] == [
        (CHAT, "👍")
    ]
    change(api, "reaction", theirs, emoji="")
    await rest.sends()
    assert message(api, theirs)["reactions"] == []


async def test_pins_of_both_sides(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("PINNED", Text("the address"))
    assert message(api, theirs)["pinned_until"] is None
    assert change(api, "pin", theirs, seconds=86_400).status_code == 202
    (job,) = await rest.sends()
    assert job.decoded == Pin(Target("PINNED", CHAT), 86_400)
    found = message(api, theirs)
    until = datetime.fromisoformat(found["pinned_until"]).timestamp()
    assert abs(until - time.time() - 86_400) < 60
    own = listed(api, theirs)
    assert own["pinned_until"] == found["pinned_until"]
    await rest.receives("P1", Pin(Target("PINNED", CHAT), 0, int((time.time() + 9) * 1000)))
    assert message(api, theirs)["pinned_until"] is None
    # Seven days, where none are named; and none that no app offers.
    change(api, "pin", theirs)
    (job,) = await rest.sends()
    assert job.decoded == Pin(Target("PINNED", CHAT), 604_800)
    refused = change(api, "pin", theirs, seconds=3600)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")


async def test_votes_in_polls_of_both_sides(api: Api, rest: Rest, documents: Documents) -> None:
    """They stand behind their poll in the lane, with its priority (G4)."""
    poll = {"type": "poll", "question": "Tea?", "options": ["yes", "no"], "priority": 7}
    ours = api.post("/api/messages", json={"connection": "shop", "to": CHAT, **poll}).json()
    theirs = await rest.receives("ASKED", Poll("When?", ("now", "later"), 0, "cd" * 32))
    also = change(api, "poll_vote", theirs, options=["later", "now"])
    mine = change(api, "poll_vote", ours["id"], options=["no"])
    assert (also.status_code, mine.status_code) == (202, 202)
    jobs = {job.id: job.decoded for job in await rest.sends()}
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
