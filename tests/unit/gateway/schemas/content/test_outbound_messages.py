"""The kinds of message that a body may ask for."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from actors.messages.content import (
    Audio,
    Edit,
    File,
    Image,
    Location,
    Poll,
    PollVote,
    Quote,
    Sticker,
    Target,
    Text,
    Video,
    decode,
    encode,
)
from gateway.api.sends import _without_target
from gateway.http.problems import from_validation
from gateway.schemas.content.outbound_messages import NewMessage

if TYPE_CHECKING:
    from actors.messages.content import Content

TO = {"connection": "shop", "to": "15550100002"}
MINE = "shop.3EB0A1B2C3D4E5F6A7B8C9"
CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"text": "hi"}, "text"),
        ({"type": "text", "text": "hi", "reply_to": MINE}, "text"),
        ({"type": "location", "latitude": -90, "longitude": 180}, "location"),
        ({"type": "contact", "contacts": [{"name": "Ana", "phone": "+1 555 0100002"}]}, "contact"),
        ({"type": "contact", "contacts": [{"name": "Ana", "vcard": CARD}]}, "contact"),
        ({"type": "poll", "question": "Tea?", "options": ["yes", "no"]}, "poll"),
        ({"type": "reaction", "message": MINE, "emoji": ""}, "reaction"),
        ({"type": "poll_vote", "message": MINE, "options": []}, "poll_vote"),
        ({"type": "poll_vote", "message": MINE, "options": ["tea\n", "x"]}, "poll_vote"),
        ({"type": "edit", "message": "shop.in." + "0" * 24, "text": "ho"}, "edit"),
        ({"type": "delete", "message": MINE}, "delete"),
    ],
)
def test_what_is_taken(body: dict[str, Any], kind: str) -> None:
    taken = NewMessage.model_validate_json(json.dumps({**TO, **body})).root
    assert (taken.kind.type, taken.to) == (kind, "15550100002@s.whatsapp.net")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "location", "latitude": 90.1, "longitude": 0},
        {"type": "location", "latitude": "1", "longitude": 0},
        {"type": "contact", "contacts": []},
        {"type": "contact", "contacts": [{"name": "Ana"}]},
        {"type": "contact", "contacts": [{"name": "Ana", "phone": "15550100002", "vcard": CARD}]},
        {"type": "contact", "contacts": [{"name": "Ana", "vcard": "FN:Ana"}]},
        {"type": "contact", "contacts": [{"name": "Ana\n", "phone": "15550100002"}]},
        {"type": "image"},
        {"type": "image", "media": "0" * 64},
        {"type": "image", "media": {}},
        {"type": "image", "media": {"sha256": None}},
        {"type": "image", "media": {"sha256": "0" * 64, "url": "https://a.example/x"}},
        {"type": "image", "media": {"sha256": "0" * 64, "url": None}},
        {"type": "image", "media": {"sha256": "A" * 64}},
        {"type": "image", "media": {"url": "https://a.example/ x"}},
        {"type": "image", "media": {"url": "https://a.example/" + "x" * 4096}},
        {"type": "image", "media": {"sha256": "0" * 64}, "mime": "picture"},
        {"type": "image", "media": {"sha256": "0" * 64}, "name": "a.png"},
        {"type": "video", "media": {"sha256": "0" * 64}, "seconds": -1},
        {"type": "sticker", "media": {"sha256": "0" * 64}, "caption": "hi"},
        {"type": "poll", "question": "Tea?", "options": ["yes"]},
        {"type": "poll", "question": "Tea?", "options": ["yes", "yes"]},
        {"type": "poll", "question": "", "options": ["yes", "no"]},
        {"type": "poll_vote", "message": MINE},
        {"type": "poll_vote", "message": MINE, "options": ["yes", "yes"]},
        {"type": "poll_vote", "message": MINE, "options": "yes"},
        {"type": "poll_vote", "message": MINE, "options": [str(one) for one in range(101)]},
        {"type": "poll_vote", "message": MINE, "options": ["yes"], "priority": 1},
        {"type": "reaction", "message": MINE, "emoji": "a b"},
        {"type": "reaction", "message": MINE, "emoji": "x" * 33},
        {"type": "reaction", "message": MINE},
        {"type": "delete", "message": MINE, "text": "x"},
    ],
)
def test_what_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewMessage.model_validate_json(json.dumps({**TO, **body}))


GROUP = {"connection": "shop", "to": "120363000000000001@g.us"}


@pytest.mark.parametrize(
    ("given", "mentions"),
    [
        (None, None),
        ([], None),
        ("all", "all"),
        (["+1 555 010 0003", "15550100003"], ("15550100003@s.whatsapp.net",)),
        (["90000000000003@lid"], ("90000000000003@lid",)),
    ],
)
@pytest.mark.parametrize(
    "body", [{"text": "hi"}, {"type": "image", "media": {"sha256": "0" * 64}, "caption": "hi"}]
)
def test_whom_a_message_mentions(body: dict[str, Any], given: Any, mentions: Any) -> None:
    wanted = NewMessage.model_validate_json(json.dumps({**GROUP, **body, "mentions": given})).root
    references = {"file": FILE} if "media" in body else {}
    made = wanted.content(**references)
    assert isinstance(made, Text | Image)
    assert made.mentions == mentions
    assert ("mentions" in wanted.model_dump_json()) == (mentions is not None)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({**TO, "mentions": "all"}, "invalid_field", "mention people in groups alone"),
        (
            {**TO, "mentions": ["15550100002"]},
            "invalid_field",
            "mention people in groups alone",
        ),
        ({**GROUP, "mentions": "everybody"}, "invalid_field", "list members of the group"),
        ({**GROUP, "mentions": ["Ana"]}, "invalid_number", "write an international phone number"),
        ({**GROUP, "mentions": [GROUP["to"]]}, "unsupported_chat", "write a person's phone number"),
    ],
)
def test_people_who_cannot_be_mentioned(body: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NewMessage.model_validate_json(json.dumps({"text": "hi", **body}))
    problem = from_validation(refused.value, NewMessage)
    assert problem.kind.code == code
    assert message in problem.detail


TARGET, FILE = Target("3EB0", None), File("0" * 64, 7, "x/y")
MEDIA = {"media": {"sha256": "0" * 64}}


@pytest.mark.parametrize(
    ("body", "references", "expected"),
    [
        ({"text": "hi"}, {"reply_to": Quote(TARGET)}, Text("hi", Quote(TARGET))),
        (
            {"type": "location", "latitude": 1, "longitude": 2.5, "address": "x"},
            {},
            Location(1.0, 2.5, None, "x"),
        ),
        (
            {"type": "poll", "question": "Tea?", "options": ["yes", "no"]},
            {},
            Poll("Tea?", ("yes", "no"), 1),
        ),
        ({"type": "image", **MEDIA, "caption": "hi"}, {"file": FILE}, Image(FILE, "hi")),
        ({"type": "video", **MEDIA, "seconds": 3.0}, {"file": FILE}, Video(FILE, None, 3)),
        ({"type": "audio", **MEDIA, "voice": True}, {"file": FILE}, Audio(FILE, True)),
        ({"type": "sticker", **MEDIA}, {"file": FILE}, Sticker(FILE)),
        (
            {"type": "poll_vote", "message": MINE, "options": ["yes"]},
            {"target": TARGET},
            PollVote(TARGET, ("yes",)),
        ),
        ({"type": "edit", "message": MINE, "text": "ho"}, {"target": TARGET}, Edit(TARGET, "ho")),
    ],
)
def test_a_request_makes_the_content_of_its_kind(
    body: dict[str, Any], references: dict[str, Any], expected: Content
) -> None:
    wanted = NewMessage.model_validate_json(json.dumps({**TO, **body})).root
    made = wanted.content(**references)
    assert made == expected
    assert decode(encode(made)) == made


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "poll", "question": "Tea?", "options": ["yes"]}, "List should have at least 2"),
        (
            {"type": "poll_vote", "message": MINE, "options": ["x"] * 101},
            "List should have at most",
        ),
        ({"type": "poll_vote", "message": MINE, "options": "x"}, "Input should be a valid array"),
    ],
)
def test_refusals_speak_of_json(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NewMessage.model_validate_json(json.dumps({**TO, **body}))
    assert refused.value.errors()[0]["msg"].startswith(message)


def test_a_url_stays_nowhere() -> None:
    """A URL may be a secret. Its request differs from another one all the same."""

    def asked(url: str) -> Any:
        body = {**TO, "type": "image", "media": {"url": url}}
        return _without_target(NewMessage.model_validate(body).root)

    one, other = asked("https://a.example/?token=sesame"), asked("https://a.example/?token=x")
    assert "sesame" not in json.dumps(asdict(one))
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == asked("https://a.example/?token=sesame").fingerprint


ID = "shop.3EB0" + "0" * 18


@pytest.mark.parametrize(
    ("body", "fingerprint"),
    [
        ({"text": "hi", "reply_to": ID}, "60d2ce9020f8d2f59dbd370d71cdaf2b"),
        (
            {"type": "location", "latitude": 1.5, "longitude": 2.5},
            "bb66f66669e0aabef6a36c8e3a1efec4",
        ),
        (
            {"type": "contact", "contacts": [{"name": "Ana", "phone": "15550100003"}]},
            "56d26b6bdb59648208463ad693abe62c",
        ),
        (
            {"type": "poll", "question": "Tea?", "options": ["yes", "no"]},
            "c4723e44210cdc49c57f8b515d94a35d",
        ),
        ({"type": "image", **MEDIA}, "43b17a425eb50562c7f7b5e03006255d"),
        ({"type": "video", **MEDIA}, "8ebe5200bc0105a5f861dadd8ab4eb89"),
        ({"type": "audio", **MEDIA}, "ccd4d7881fb24bfa2317c7d9a3c0c77e"),
        ({"type": "document", **MEDIA}, "36648479c5e3a8b147f2243e5239e14f"),
        ({"type": "sticker", **MEDIA}, "1c8267fadf3cd84834b53f7fe7764faf"),
        (
            {"type": "poll_vote", "message": ID, "options": ["yes"]},
            "36b56e492c2fe7911954f3e1bba8035b",
        ),
        (
            {"type": "reaction", "message": ID, "emoji": "\N{THUMBS UP SIGN}"},
            "6fc0246ae13da966439a38d341bb1721",
        ),
        ({"type": "edit", "message": ID, "text": "ho"}, "55497b1c587568652dee9b4096a249c9"),
        ({"type": "delete", "message": ID}, "beeb774ff0bdef1f18acfc395809ae2d"),
    ],
)
def test_releases_agree_about_fingerprints(body: dict[str, Any], fingerprint: str) -> None:
    """A retry across an upgrade is the same send: a field that is added has `exclude_if`."""
    asked = _without_target(NewMessage.model_validate({**TO, **body}).root)
    assert asked.fingerprint == fingerprint
