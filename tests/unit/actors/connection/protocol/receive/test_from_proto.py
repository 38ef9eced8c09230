"""Content of received messages, as others write it; and refusals of what a sender may not do."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.receive.from_proto import Forged
from actors.messages.content import (
    Card,
    Contact,
    Content,
    Delete,
    Edit,
    File,
    Image,
    Location,
    Other,
    Pin,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
)
from tests.unit.actors.connection.protocol.receive.received import (
    ACCOUNT,
    ACCOUNT_LID,
    ANA,
    ANA_LID,
    BEN,
    GROUP,
    MINTED,
    PHONES,
    delete,
    edit,
    key,
    reaction,
    said,
    scene,
)
from tests.unit.actors.connection.protocol.receive.received import judge as judge  # noqa: PLC0414

if TYPE_CHECKING:
    from tests.unit.actors.connection.protocol.judged import Judge


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param({"conversation": "hi"}, Text("hi"), id="text"),
        pytest.param(
            {
                "extendedTextMessage": {
                    "text": "yes",
                    "contextInfo": {"stanzaID": MINTED, "participant": ACCOUNT_LID},
                }
            },
            Text("yes", Quote(Target(MINTED, None))),
            id="reply to what this service sent, by LID",
        ),
        pytest.param(
            {
                "extendedTextMessage": {
                    "text": "yes",
                    "contextInfo": {
                        "stanzaID": "A",
                        "participant": ANA,
                        "quotedMessage": {"conversation": "never said"},
                    },
                }
            },
            Text("yes", Quote(Target("A", ANA), "never said")),
            id="a quote has the words that its sender gives",
        ),
        *(
            pytest.param(
                {
                    "extendedTextMessage": {
                        "text": "yes",
                        "contextInfo": {
                            "stanzaID": "A",
                            "participant": ANA,
                            "quotedMessage": quoted,
                        },
                    }
                },
                Text("yes", Quote(Target("A", ANA), *words)),
                id=f"a quote of {words[1]}, {case}",
            )
            for case, quoted, words in (
                ("long", {"conversation": "x" * 301}, ("x" * 300, "text")),
                ("with a caption", {"imageMessage": {"caption": "look"}}, ("look", "image")),
                ("without one", {"imageMessage": {}}, (None, "image")),
                ("without words", {"pollCreationMessage": {"name": "Tea?"}}, (None, "poll")),
                ("for the protocol", {"protocolMessage": {}}, (None, "text")),
            )
        ),
        pytest.param(
            {
                "extendedTextMessage": {
                    "text": "@90000000000002 and @15550100003",
                    "contextInfo": {"mentionedJID": [ANA_LID, BEN]},
                }
            },
            Text("@15550100002 and @15550100003", mentions=(ANA, BEN)),
            id="mentions, under the addresses of the service",
        ),
        *(
            pytest.param(
                {"extendedTextMessage": {"text": "hi", "contextInfo": context}},
                Text("hi", forwarding_score=score),
                id=f"forwarded, {context}",
            )
            for context, score in (
                ({"isForwarded": True, "forwardingScore": 3}, 3),
                ({"isForwarded": True}, 1),
                ({"isForwarded": True, "forwardingScore": 500}, 127),
                ({"forwardingScore": 3}, None),
            )
        ),
        pytest.param(
            {
                "locationMessage": {
                    "degreesLatitude": 1.5,
                    "degreesLongitude": 2,
                    "contextInfo": {"isForwarded": True, "forwardingScore": 2},
                }
            },
            Location(1.5, 2.0, forwarding_score=2),
            id="a forwarded location",
        ),
        pytest.param(
            {"extendedTextMessage": {"text": "@all", "contextInfo": {"nonJIDMentions": 1}}},
            Text("@all", mentions="all"),
            id="everybody is mentioned",
        ),
        pytest.param(
            {
                "imageMessage": {
                    "fileSHA256": base64.b64encode(b"s" * 32).decode(),
                    "fileLength": 7,
                    "mimetype": "image/png",
                    "caption": "@90000000000002",
                    "contextInfo": {"mentionedJID": [ANA_LID]},
                }
            },
            Image(File("73" * 32, 7, "image/png"), "@15550100002", mentions=(ANA,)),
            id="mentions in a caption",
        ),
        pytest.param(
            {"locationMessage": {"degreesLatitude": 1.5, "degreesLongitude": -2, "name": "Here"}},
            Location(1.5, -2.0, "Here"),
            id="location",
        ),
        pytest.param(
            {"locationMessage": {"degreesLatitude": "NaN", "degreesLongitude": 0}},
            Other("location"),
            id="nowhere",
        ),
        pytest.param(
            {"liveLocationMessage": {"degreesLatitude": 1.5, "degreesLongitude": -2}},
            Location(1.5, -2.0),
            id="live location",
        ),
        pytest.param(
            {"contactMessage": {"displayName": "Ana", "vcard": "BEGIN"}},
            Contact((Card("Ana", "BEGIN"),)),
            id="contact",
        ),
        pytest.param(
            {"contactsArrayMessage": {"contacts": [{"displayName": "A"}, {"displayName": "B"}]}},
            Contact((Card("A", ""), Card("B", ""))),
            id="contacts",
        ),
        pytest.param(
            {
                "pollCreationMessageV3": {
                    "name": "Tea?",
                    "options": [{"optionName": "yes"}, {"optionName": "no"}],
                    "selectableOptionsCount": 1,
                },
                "messageContextInfo": {"messageSecret": "q80="},
            },
            Poll("Tea?", ("yes", "no"), 1, "abcd"),
            id="poll",
        ),
        pytest.param(
            reaction(key(MINTED, own=False)), Reaction(Target(MINTED, None), "👍"), id="reaction"
        ),
        pytest.param(
            reaction(key(PHONES, own=False), ""),
            Reaction(Target(PHONES, ACCOUNT), ""),
            id="reaction to what the phone sent, taken back",
        ),
        pytest.param(
            reaction(key("B", own=True)),
            Reaction(Target("B", ANA), "👍"),
            id="reaction to one's own",
        ),
        pytest.param(edit(key("A", own=True)), Edit(Target("A", ANA), "better"), id="edit"),
        pytest.param(
            {"editedMessage": {"message": edit(key("A", own=True))}},
            Edit(Target("A", ANA), "better"),
            id="edit in its envelope",
        ),
        pytest.param(
            edit(key("A", own=True), imageMessage={"caption": "look"}),
            Edit(Target("A", ANA), "look"),
            id="edit of a caption",
        ),
        pytest.param(
            edit(key(MINTED, own=True)),
            Edit(Target(MINTED, ANA), "better"),
            id="a contact's own id",
        ),
        pytest.param(delete(key("A", own=True)), Delete(Target("A", ANA)), id="delete"),
        pytest.param(
            {"imageMessage": {"caption": "look", "contextInfo": {"stanzaID": "A"}}},
            Other("image", "look", Quote(Target("A", ANA))),
            id="a kind that is not read yet",
        ),
    ],
)
def test_what_a_contact_says(judge: Judge, message: dict[str, Any], expected: Content) -> None:
    assert said(judge, message, scene()) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (reaction(key("A", own=False)), Reaction(Target("A", ANA), "👍")),
        (reaction(key(MINTED, own=True)), Reaction(Target(MINTED, None), "👍")),
        (edit(key(PHONES, own=True)), Edit(Target(PHONES, ACCOUNT), "better")),
        (edit(key(MINTED, own=True)), Edit(Target(MINTED, None), "better")),
        (delete(key("3ACC", own=True)), Delete(Target("3ACC", ACCOUNT))),
    ],
)
def test_what_the_own_phone_says(judge: Judge, message: dict[str, Any], expected: Content) -> None:
    copy = {"deviceSentMessage": {"destinationJID": ANA, "message": message}}
    assert said(judge, copy, scene(sender=ACCOUNT)) == expected


@pytest.mark.parametrize("sender", [ANA, ACCOUNT])
@pytest.mark.parametrize(
    "message",
    [
        pytest.param(edit(key(MINTED, own=False)), id="edit of another's"),
        pytest.param(delete(key(MINTED, own=False)), id="delete of another's"),
        pytest.param(delete(key(MINTED, own=False, participant=ANA)), id="who claims to be it"),
        pytest.param(edit(key("A", own=True), imageMessage={}), id="an edit without words"),
        pytest.param(delete(key("", own=True)), id="of nothing"),
        pytest.param(delete(key("A" * 129, own=True)), id="an id without end"),
        pytest.param(reaction(key("A", own=True), "x" * 65), id="a novel of a reaction"),
    ],
)
def test_what_nobody_may(judge: Judge, message: dict[str, Any], sender: str) -> None:
    with pytest.raises(Forged):
        said(judge, message, scene(sender=sender))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("1764000000250", 1764000000250),
        ("0", None),
        ("-5", None),
        (f"{2**63 - 1}", None),
        (None, None),
    ],
)
def test_the_time_that_a_reaction_or_a_vote_bears(
    judge: Judge, told: str | None, expected: int | None
) -> None:
    """In milliseconds; what is no time of this millennium is none."""
    time = {} if told is None else {"senderTimestampMS": told}
    parts: list[dict[str, Any]] = [
        {"reactionMessage": {"key": key("A", own=True), "text": "+", **time}},
        {"pollUpdateMessage": {"pollCreationMessageKey": key("A", own=True), **time}},
    ]
    for message in parts:
        found = said(judge, message, scene())
        assert isinstance(found, Reaction | PollVote)
        assert found.at_ms == expected


def test_in_a_group_the_author_is_named(judge: Judge) -> None:
    group = scene(sender=ANA, chat=GROUP)
    named = reaction(key("A", own=False, participant=BEN))
    assert said(judge, named, group) == Reaction(Target("A", BEN), "👍")
    ours = reaction(key(MINTED, own=False, participant=ACCOUNT_LID))
    assert said(judge, ours, group) == Reaction(Target(MINTED, None), "👍")
    for forged in (
        reaction(key("A", own=False)),
        delete(key("A", own=False, participant=BEN)),
        edit(key("A", own=False, participant=BEN)),
    ):
        with pytest.raises(Forged):
            said(judge, forged, group)


@pytest.mark.parametrize(
    ("kind", "seconds", "expected"),
    [
        ("PIN_FOR_ALL", 86_400, 86_400),
        ("PIN_FOR_ALL", None, 604_800),
        ("PIN_FOR_ALL", 2**32 - 1, 366 * 86_400),
        ("UNPIN_FOR_ALL", 0, 0),
        ("UNPIN_FOR_ALL", 86_400, 0),
        ("UNKNOWN_TYPE", 86_400, None),
    ],
)
def test_a_pin_and_for_how_long_it_is(
    judge: Judge, kind: str, seconds: int | None, expected: int | None
) -> None:
    pin = {"key": key(MINTED, own=False), "type": kind, "senderTimestampMS": "1764000000250"}
    message: dict[str, Any] = {"pinInChatMessage": pin}
    if seconds is not None:
        message["messageContextInfo"] = {"messageAddOnDurationInSecs": seconds}
    found = said(judge, message, scene())
    if expected is None:
        assert found == Other("pin")
    else:
        assert found == Pin(Target(MINTED, None), expected)
        assert isinstance(found, Pin)
        assert found.at_ms == 1_764_000_000_250
