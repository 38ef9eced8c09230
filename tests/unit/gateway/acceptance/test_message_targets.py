"""Changes that a message takes, and those that it refuses, by its kind, its author and its age."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.messages.content import Delete, Edit, Poll, PollVote, Reaction, Target
from gateway.acceptance.message_targets import Found, allowed_change
from gateway.http.problems import Problem
from gateway.schemas.content.outbound_messages import ChangeMessage, NewMessage

CHAT = "15550100002@s.whatsapp.net"
NOW = 1_800_000_000.0
OURS = Found(
    target=Target("3EB0A1B2C3D4E5F6A7B8C9", None),
    chat=CHAT,
    type="text",
    text="hi",
    own=True,
    status="sent",
    sent_at=NOW - 60,
    send_at=None,
    deleted=False,
)
NAMED = {"connection": "shop", "to": CHAT, "message": "shop.3EB0A1B2C3D4E5F6A7B8C9"}
POLL = Poll("Tea?", ("yes", "no", "no"), 0, "ab" * 32)


def wants(kind: str, **own: Any) -> ChangeMessage:
    made = NewMessage.model_validate({**NAMED, "type": kind, **own}).root
    assert isinstance(made, ChangeMessage)
    return made


REACTION, DELETE = wants("reaction", emoji="👍"), wants("delete")
EDIT = wants("edit", text="ho")


def vote(*options: str) -> ChangeMessage:
    return wants("poll_vote", options=list(options))


def asked(**changes: Any) -> dict[str, Any]:
    return {"type": "poll", "sent_at": 1.0, "poll": replace(POLL, **changes)}


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        (REACTION, {"own": False}, Reaction(OURS.target, "👍")),
        (REACTION, {"type": "poll", "sent_at": 1.0}, Reaction(OURS.target, "👍")),
        (vote("no", "yes"), asked(), PollVote(OURS.target, ("yes", "no"), "ab" * 32)),
        (vote("no"), {"own": False, **asked(choices=1)}, PollVote(OURS.target, ("no",), "ab" * 32)),
        (vote(), asked(choices=1), PollVote(OURS.target, (), "ab" * 32)),
        (EDIT, {}, Edit(OURS.target, "ho")),
        (EDIT, {"sent_at": NOW - 900}, Edit(OURS.target, "ho")),
        (EDIT, {"sent_at": None, "status": "queued"}, Edit(OURS.target, "ho")),
        (DELETE, {"type": "location", "sent_at": NOW - 216_000}, Delete(OURS.target)),
    ],
)
def test_what_is_taken(wanted: ChangeMessage, found: dict[str, Any], expected: object) -> None:
    assert allowed_change(wanted, replace(OURS, **found), NOW) == expected


@pytest.mark.parametrize(
    ("wanted", "found", "code"),
    [
        (vote("yes"), {}, "not_a_poll"),
        (vote("yes"), {"type": "poll"}, "poll_unreadable"),
        (vote("yes"), asked(secret=None), "poll_unreadable"),
        (vote("yes", "Yes"), asked(), "unknown_option"),
        (vote("yes", "no"), asked(choices=1), "too_many_options"),
        (EDIT, {"own": False}, "not_own_message"),
        (DELETE, {"own": False}, "not_own_message"),
        (EDIT, {"type": "location"}, "not_editable"),
        (EDIT, {"sent_at": NOW - 901}, "edit_too_late"),
        (DELETE, {"sent_at": NOW - 216_001}, "delete_too_late"),
    ],
)
def test_what_is_refused(wanted: ChangeMessage, found: dict[str, Any], code: str) -> None:
    with pytest.raises(Problem) as refused:
        allowed_change(wanted, replace(OURS, **found), NOW)
    assert refused.value.kind.code == code
