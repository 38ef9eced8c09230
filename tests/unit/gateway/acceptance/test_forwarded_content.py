"""The content of forwards of stored messages, and messages that are not forwarded."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages.content import (
    Audio,
    Card,
    Contact,
    Content,
    Delete,
    File,
    Image,
    Location,
    Other,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Sticker,
    Target,
    Text,
    pack,
)
from gateway.acceptance.forwarded_content import forwarded
from gateway.http.problems import Problem

ANA = "15550100002@s.whatsapp.net"
TARGET = Target("A", ANA)
QUOTE = Quote(TARGET, "well?")
FILE = File("0" * 64, 7, "image/png", "tea.png")


def document(said: Content | None, **more: Any) -> dict[str, Any]:
    """Ana's message as the store has it."""
    return {
        "id": "shop--K7Q2M9XA4TBC.in.0123456789abcdef01234567",
        "message_id": "B",
        "chat": ANA,
        "sender": ANA,
        "direction": "in",
        "type": "text" if said is None else said.type,
        "text": None,
        "status": "received",
        "content": None if said is None else pack(said),
        **more,
    }


@pytest.mark.parametrize(
    ("said", "more", "expected"),
    [
        (None, {"text": "hi"}, Text("hi", forwarding_score=1)),
        (Text("hi", QUOTE, (ANA,), 1), {"text": "hi"}, Text("hi", forwarding_score=2)),
        (Text("hi", forwarding_score=4), {"text": "hi"}, Text("hi", forwarding_score=127)),
        (
            None,
            {"text": "hi", "direction": "out", "status": "sent"},
            Text("hi", forwarding_score=0),
        ),
        (
            Location(1.5, 2.0, "Here", None, QUOTE),
            {},
            Location(1.5, 2.0, "Here", forwarding_score=1),
        ),
        (Contact((Card("Ana", "x"),)), {}, Contact((Card("Ana", "x"),), forwarding_score=1)),
        (Image(FILE, "a", QUOTE, "all"), {"text": "a"}, Image(FILE, "a", forwarding_score=1)),
        (Image(FILE), {}, Image(FILE, forwarding_score=1)),
        (Audio(FILE, True, 3), {}, Audio(FILE, True, 3, forwarding_score=1)),
        (Sticker(FILE, True), {}, Sticker(FILE, True, forwarding_score=1)),
    ],
)
def test_a_forward_says_the_same_and_refers_to_nothing(
    said: Content | None, more: dict[str, Any], expected: Content
) -> None:
    assert forwarded(document(said, **more)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, Text("new", forwarding_score=1)),
        (Image(FILE, "old"), Image(FILE, "new", forwarding_score=1)),
    ],
)
def test_a_message_is_forwarded_as_it_reads_now(said: Content | None, expected: Content) -> None:
    edits = [{"text": "new", "at": 1.0, "message_id": "C"}]
    assert forwarded(document(said, text="old", changes={"edits": edits})) == expected


DELETED = {"deleted": {"at": 1.0, "message_id": "C"}}


@pytest.mark.parametrize(
    ("said", "more", "code"),
    [
        (Poll("Tea?", ("yes", "no"), 1, "ab" * 32), {}, "not_forwardable"),
        (PollVote(TARGET, ("yes",)), {}, "not_forwardable"),
        (Reaction(TARGET, "+"), {}, "not_forwardable"),
        (Delete(TARGET), {}, "not_forwardable"),
        (Other("buttonsMessage", "choose"), {}, "not_forwardable"),
        (Other("image", "look"), {}, "not_forwardable"),
        (None, {"type": "undecryptable"}, "not_forwardable"),
        (None, {"content": {"v": 2, "type": "text", "text": "hi"}}, "not_forwardable"),
        (None, {"text": ""}, "not_forwardable"),
        (None, {"text": None, "changes": DELETED}, "target_deleted"),
        (None, {"text": "hi", "direction": "out", "status": "dead"}, "target_not_sent"),
        (None, {"text": "hi", "direction": "out", "status": "cancelled"}, "target_not_sent"),
        (None, {"text": "hi", "status": "queued", "send_at": 9e9}, "target_not_sent"),
    ],
)
def test_messages_that_are_not_forwarded(
    said: Content | None, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(Problem) as refused:
        forwarded(document(said, **more))
    assert refused.value.kind.code == code
