"""Content of messages in answers, and later changes of it."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages.content import (
    CONTENT_KINDS,
    Audio,
    Card,
    Contact,
    Content,
    Delete,
    Edit,
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
    Video,
    pack,
)
from gateway.schemas.content.content_presenters import message_fields

ANA = "15550100002@s.whatsapp.net"
OURS = {"id": "shop.3EB0A1B2C3D4E5F6A7B8C9", "message_id": "3EB0A1B2C3D4E5F6A7B8C9"}
TARGET = Target(OURS["message_id"], None)
FILE = File("0" * 64, 7, "x/y")


def presented(content: Content | None = None, **more: Any) -> dict[str, Any]:
    document = {"id": "shop.in.0", "connection": "shop", "chat": ANA, "text": "hello", **more}
    answer = message_fields({**document, "content": None if content is None else pack(content)})
    return {
        name: value.model_dump() if hasattr(value, "model_dump") else value
        for name, value in answer.items()
    }


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (Text("hi", Quote(TARGET)), None),
        (
            Location(1.5, 2.0, "Here"),
            {
                "type": "location",
                "latitude": 1.5,
                "longitude": 2.0,
                "name": "Here",
                "address": None,
            },
        ),
        (
            Contact((Card("Ana", "BEGIN"),)),
            {"type": "contact", "contacts": [{"name": "Ana", "vcard": "BEGIN"}]},
        ),
        (
            Poll("Tea?", ("yes", "no"), 1, "secret"),
            {"type": "poll", "question": "Tea?", "options": ["yes", "no"], "choices": 1},
        ),
        (Reaction(TARGET, "👍"), {"type": "reaction", "message": OURS, "emoji": "👍"}),
        (Edit(TARGET, "secret"), {"type": "edit", "message": OURS}),
        (Delete(TARGET), {"type": "delete", "message": OURS}),
        (PollVote(TARGET), {"type": "poll_vote", "message": OURS, "options": None}),
        (Image(FILE, "hi"), None),
        (Video(FILE, "hi", 3), {"type": "video", "seconds": 3}),
        (Audio(FILE, voice=True), {"type": "audio", "voice": True, "seconds": None}),
        (Sticker(FILE), {"type": "sticker", "animated": False}),
    ],
)
def test_what_a_kind_says(content: Content, shown: dict[str, Any] | None) -> None:
    answer = presented(content)
    assert answer["content"] == shown
    assert "secret" not in str(answer), "what keys the votes, and words that are elsewhere"


@pytest.mark.parametrize("kind", sorted(CONTENT_KINDS))
def test_a_reply_without_content_is_shown_as_one(kind: str) -> None:
    """A contact may send a broken file, or a place nowhere, as a reply: only the reference is known of it."""
    answer = presented(Other(kind, "hi", Quote(TARGET)), text="hi")
    assert (answer["content"], answer["media"]) == (None, None)
    assert (answer["text"], answer["reply_to"]) == ("hi", OURS)


@pytest.mark.parametrize(
    "content",
    [
        Location(91.0, 200.0, "a\nb", "x" * 300),
        Poll("Tea?\n", ("yes",) * 100, 99),
        Contact((Card("", "no vCard"),)),
        Reaction(TARGET, "x" * 64),
        Video(FILE, None, 10**6),
    ],
)
def test_limits_are_of_sends_alone(content: Content) -> None:
    """A contact's client decides about its messages; an answer shows them as they came."""
    answer = presented(content)["content"]
    fields = {"cards": "contacts"}
    for name, value in pack(content).items():
        if name not in ("v", "target", "file"):
            assert answer[fields.get(name, name)] == value


def test_a_reply_names_its_message() -> None:
    assert presented(Text("hi", Quote(TARGET)))["reply_to"] == OURS
    theirs = presented(Text("hi", Quote(Target("A", ANA))))["reply_to"]
    assert theirs["id"].startswith("shop.in.")


@pytest.mark.parametrize(
    ("said", "mentions"),
    [
        (Text("hi", Quote(TARGET)), []),
        (Text("hi", mentions=(ANA,)), [ANA]),
        (Image(FILE, "hi", mentions="all"), "all"),
    ],
)
def test_whom_it_mentions(said: Content, mentions: Any) -> None:
    assert presented(said)["mentions"] == mentions


@pytest.mark.parametrize("score", [None, 0, 127])
def test_how_often_it_was_forwarded(score: int | None) -> None:
    assert presented(Text("hi", Quote(TARGET), None, score))["forwarding_score"] == score
    assert presented(Location(1.5, 2.0, forwarding_score=score))["forwarding_score"] == score


@pytest.mark.parametrize(
    ("quote", "author", "kind", "excerpt"),
    [
        (Quote(TARGET, "well?"), None, "text", "well?"),
        (Quote(Target("A", ANA), "x" * 301), ANA, "text", "x" * 300),
        (Quote(Target("A", ANA), None, "image"), ANA, "image", None),
        pytest.param(Quote(Target("A", ANA)), ANA, None, None, id="without its words"),
    ],
)
def test_a_reply_shows_what_it_quotes(
    quote: Quote, author: str | None, kind: str | None, excerpt: str | None
) -> None:
    answer = presented(Text("hi", quote))
    shown = answer["quoted"]
    assert answer["reply_to"].items() <= shown.items()
    assert (shown["author"] and shown["author"]["address"]) == author
    assert (shown["type"], shown["excerpt"]) == (kind, excerpt)
    assert presented(Text("hi"))["quoted"] is None


def test_what_was_done_to_it() -> None:
    when = {"at": 10.0, "message_id": "C"}
    answer = presented(
        changes={
            "reactions": {ANA: {"emoji": "", **when}, "me": {"emoji": "👍", **when}},
            "edits": [{"text": "hello there", **when}],
            "votes": {ANA: {"options": ["yes"], **when}},
        }
    )
    at = "1970-01-01T00:00:10.000Z"
    assert answer["text"] == "hello there"
    assert [one.model_dump() for one in answer["edits"]] == [{"text": "hello", "until": at}]
    assert answer["edited_at"] == at
    ana = {"address": ANA, "number": "15550100002", "lid": None, "name": "+15550100002"}
    assert [one.model_dump() for one in answer["votes"]] == [
        {"by": ANA, "author": ana, "options": ["yes"], "at": at}
    ]
    [reaction] = answer["reactions"]
    assert (reaction.by, reaction.emoji, reaction.at) == ("me", "👍", at)


def test_a_deleted_message_says_nothing_even_where_its_text_is_still_there() -> None:
    answer = presented(
        Location(1.5, 2.0), changes={"deleted": {"at": 10.0, "message_id": "C"}}, text="hello"
    )
    assert answer["deleted_at"] == "1970-01-01T00:00:10.000Z"
    assert (answer["text"], answer["content"], answer["edits"]) == (None, None, [])
