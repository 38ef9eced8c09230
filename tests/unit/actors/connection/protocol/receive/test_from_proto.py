"""Content of received messages, as others write it; and refusals of what a sender may not do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Forged, Scene, content_of, unsealed
from actors.connection.session.messages.message_secrets import MessageSecret
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
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
)
from tests.unit.actors.connection.native.judged import Judge, judging

if TYPE_CHECKING:
    from collections.abc import Iterator

ANA = "15550100002@s.whatsapp.net"
BEN = "15550100003@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
ACCOUNT_LID = "90000000000001@lid"
GROUP = "120363000000000001@g.us"
MINTED = "3EB0A1B2C3D4E5F6A7B8C9"
POLL = MessageSecret(b"s" * 32, ("yes", "no", "perhaps"))
WORDS = MessageSecret(b"w" * 32)
"""The secret of a message of Ana's, `A`."""

ANA_LID = "90000000000002@lid"
PHONES = "3EB0A1B2C3D4E5F6A7B8C0"
"""Looks like an id of this service, and is known to be WhatsApp Web's."""

SECRETS = {(ACCOUNT, MINTED): POLL, (ANA, "A"): WORDS}
NAMES = {ACCOUNT: (ACCOUNT_LID,), ANA: (ANA_LID,)}


def canonical(address: Address) -> Address:
    known = {ACCOUNT_LID: ACCOUNT, ANA_LID: ANA}.get(str(address.canonical))
    return address.canonical if known is None else Address.parse(known)


def scene(sender: str = ANA, chat: str = ANA) -> Scene:
    return Scene(
        chat=Address.parse(chat),
        sender=Address.parse(sender),
        account=Address.parse(ACCOUNT),
        canonical=canonical,
        from_phone=lambda number: number == PHONES,
        secret=lambda author, number: SECRETS.get((str(author), number)),
        names=lambda person: (str(person), *NAMES.get(str(person), ())),
    )


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as made:
        yield made


def key(number: str, *, own: bool, **more: str) -> dict[str, Any]:
    return {"remoteJID": "someone@s.whatsapp.net", "fromMe": own, "ID": number, **more}


def reaction(of: dict[str, Any], emoji: str = "👍") -> dict[str, Any]:
    return {"reactionMessage": {"key": of, "text": emoji, "senderTimestampMS": "5"}}


def edit(of: dict[str, Any], **message: Any) -> dict[str, Any]:
    edited = message or {"conversation": "better"}
    part = {"key": of, "type": "MESSAGE_EDIT", "editedMessage": edited, "timestampMS": "5"}
    return {"protocolMessage": part}


def delete(of: dict[str, Any]) -> dict[str, Any]:
    return {"protocolMessage": {"key": of, "type": "REVOKE"}}


def said(judge: Judge, message: dict[str, Any], where: Scene) -> Content:
    found = wrappers.read(judge.make(message))
    assert found is not None
    return content_of(unsealed(found, where), where)


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


def derived(secret: bytes, info: str) -> bytes:
    """As others derive it: with the standard library's HKDF, written out here."""
    prk = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(prk, info.encode() + b"\1", "sha256")


def vote(judge: Judge, author: str, voter: str, *options: str, secret: bytes = POLL.secret) -> Any:
    under = derived(secret, f"{MINTED}{author}{voter}Poll Vote")
    # PollVoteMessage: field 1, repeated bytes.
    chosen = b"".join(b"\x0a\x20" + hashlib.sha256(one.encode()).digest() for one in options)
    sealed = AESGCM(under).encrypt(b"i" * 12, chosen, f"{MINTED}\0{voter}".encode())
    encoded = {
        "encPayload": base64.b64encode(sealed).decode(),
        "encIV": base64.b64encode(b"i" * 12).decode(),
    }
    part = {"pollCreationMessageKey": key(MINTED, own=False), "vote": encoded}
    return said(judge, {"pollUpdateMessage": part}, scene())


@pytest.mark.parametrize("author", [ACCOUNT, ACCOUNT_LID])
def test_votes_are_read(judge: Judge, author: str) -> None:
    target = Target(MINTED, None)
    assert vote(judge, author, ANA, "no", "yes") == PollVote(target, ("yes", "no"))
    assert vote(judge, author, ANA) == PollVote(target, ())
    assert vote(judge, author, ANA, "never offered") == PollVote(target, ())


def test_votes_of_another_are_not_ones_own(judge: Judge) -> None:
    unread = PollVote(Target(MINTED, None))
    assert vote(judge, ACCOUNT, BEN, "yes") == unread
    assert vote(judge, ACCOUNT, ANA, "yes", secret=b"x" * 32) == unread


def sealed(
    judge: Judge,
    inner: dict[str, Any],
    *,
    editor: str = ANA,
    secret: bytes = WORDS.secret,
    **changes: Any,
) -> dict[str, Any]:
    """A message of `editor` with an edit of `A`, encrypted under the secret; `changes` to its part."""
    under = derived(secret, f"A{editor}{editor}Message Edit")
    payload = AESGCM(under).encrypt(b"i" * 12, judge.make(inner), None)
    part = {
        "targetMessageKey": key("A", own=True),
        "encPayload": base64.b64encode(payload).decode(),
        "encIV": base64.b64encode(b"i" * 12).decode(),
        "secretEncType": "MESSAGE_EDIT",
    }
    return {"secretEncryptedMessage": part | changes}


EDITED = edit(key("A", own=True))


@pytest.mark.parametrize("editor", [ANA, ANA_LID])
def test_a_sealed_edit_is_read(judge: Judge, editor: str) -> None:
    """Under either address, and of the message that the secret came with, whatever is named inside."""
    expected = Edit(Target("A", ANA), "better")
    assert said(judge, sealed(judge, EDITED, editor=editor), scene()) == expected
    elsewhere = sealed(judge, edit(key("B", own=True)), editor=editor)
    assert said(judge, elsewhere, scene()) == expected


def test_a_sealed_edit_may_bring_the_next_secret(judge: Judge) -> None:
    context = {"messageContextInfo": {"messageSecret": base64.b64encode(b"n" * 32).decode()}}
    for inner, secret in ((EDITED, None), (EDITED | context, b"n" * 32)):
        # The context beside it is that of the message before.
        found = wrappers.read(judge.make(sealed(judge, inner) | context))
        assert found is not None
        assert unsealed(found, scene()).secret == secret


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"secret": b"x" * 32}, id="another secret"),
        pytest.param({"editor": BEN}, id="by another person"),
        pytest.param({"encIV": "aQ=="}, id="no IV"),
        pytest.param({"encPayload": "aQ=="}, id="too short"),
        pytest.param({"targetMessageKey": key("B", own=True)}, id="of a message without a secret"),
        pytest.param({"inner": {"conversation": "no edit"}}, id="no edit inside"),
    ],
)
def test_a_sealed_edit_that_does_not_open_is_a_placeholder(
    judge: Judge, changes: dict[str, Any]
) -> None:
    changes = {"inner": EDITED} | changes
    assert said(judge, sealed(judge, **changes), scene()) == Other("undecryptable")


def test_other_sealed_changes_keep_their_name(judge: Judge) -> None:
    event = sealed(judge, EDITED, secretEncType="EVENT_EDIT")
    assert said(judge, event, scene()) == Other("secretEncryptedMessage")


def test_a_sealed_edit_of_anothers_message_is_forged(judge: Judge) -> None:
    other = key("A", own=False)
    with pytest.raises(Forged):
        said(judge, sealed(judge, EDITED, targetMessageKey=other), scene())
