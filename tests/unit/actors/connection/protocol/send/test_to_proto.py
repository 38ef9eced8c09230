"""Content of sent messages, as others read it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.engine import SendError
from actors.connection.protocol.mentions import Mentioned
from actors.connection.protocol.receive.votes_and_edits import VOTE, aad, key
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.session.files.uploads import Upload
from actors.messages.content import (
    Card,
    Contact,
    Content,
    Delete,
    Document,
    Edit,
    File,
    Image,
    LinkPreview,
    Location,
    Other,
    Pin,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
    Video,
)
from tests.unit.actors.connection.protocol.judged import Judge, judging

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
HIDDEN_CHAT, LID = "90000000000002@lid", "90000000000001@lid"
GROUP = "120363000000000001@g.us"
FILE = File("00" * 32, 7, "image/png")
UPLOAD = Upload("image", b"k" * 32, "https://a.example/x", "/x", b"s" * 32, b"e" * 32, 7, 1.0)
PLACE = Place(CHAT, ACCOUNT, 1_764_000_000.25)
HIS, OURS, PHONES = Target("3EB0AA", CHAT), Target("3EB0BB", None), Target("3ACC", ACCOUNT)
HIS_KEY = {"remoteJID": CHAT, "fromMe": False, "ID": "3EB0AA"}
OUR_KEY = {"remoteJID": CHAT, "fromMe": True, "ID": "3EB0BB"}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as made:
        yield made


def reply(participant: str, number: str, words: str) -> dict[str, Any]:
    return {
        "stanzaID": number,
        "participant": participant,
        "quotedMessage": {"conversation": words},
    }


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(Text("hi"), {"conversation": "hi"}, id="text"),
        pytest.param(
            Text("see a.example/x", link_preview=LinkPreview("a.example/x", "A", "B", "/9j/")),
            {
                "extendedTextMessage": {
                    "text": "see a.example/x",
                    "matchedText": "a.example/x",
                    "title": "A",
                    "description": "B",
                    "JPEGThumbnail": "/9j/",
                }
            },
            id="text with the preview of its link",
        ),
        pytest.param(
            Text("yes", Quote(HIS, "well?")),
            {"extendedTextMessage": {"text": "yes", "contextInfo": reply(CHAT, "3EB0AA", "well?")}},
            id="reply",
        ),
        pytest.param(
            Text("and", Quote(OURS)),
            {"extendedTextMessage": {"text": "and", "contextInfo": reply(ACCOUNT, "3EB0BB", "")}},
            id="reply to one's own",
        ),
        pytest.param(
            Location(-23.5, 46.25, "Here", None, Quote(HIS, "where?")),
            {
                "locationMessage": {
                    "degreesLatitude": -23.5,
                    "degreesLongitude": 46.25,
                    "name": "Here",
                    "contextInfo": reply(CHAT, "3EB0AA", "where?"),
                }
            },
            id="location",
        ),
        pytest.param(
            Contact((Card("Ana", "BEGIN:VCARD"),)),
            {"contactMessage": {"displayName": "Ana", "vcard": "BEGIN:VCARD"}},
            id="contact",
        ),
        pytest.param(
            Contact((Card("Ana", "1"), Card("Ben", "2"))),
            {
                "contactsArrayMessage": {
                    "displayName": "Ana",
                    "contacts": [
                        {"displayName": "Ana", "vcard": "1"},
                        {"displayName": "Ben", "vcard": "2"},
                    ],
                }
            },
            id="contacts",
        ),
        pytest.param(
            Poll("Tea?", ("yes", "no"), 1, "ab" * 32),
            {
                "pollCreationMessageV3": {
                    "name": "Tea?",
                    "options": [{"optionName": "yes"}, {"optionName": "no"}],
                    "selectableOptionsCount": 1,
                },
                "messageContextInfo": {
                    "messageSecret": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="
                },
            },
            id="poll",
        ),
        pytest.param(
            Reaction(HIS, "👍"),
            {
                "reactionMessage": {
                    "key": HIS_KEY,
                    "text": "👍",
                    "senderTimestampMS": "1764000000250",
                }
            },
            id="reaction",
        ),
        pytest.param(
            Reaction(OURS, ""),
            {"reactionMessage": {"key": OUR_KEY, "text": "", "senderTimestampMS": "1764000000250"}},
            id="reaction taken back",
        ),
        pytest.param(
            Pin(HIS, 604_800),
            {
                "pinInChatMessage": {
                    "key": HIS_KEY,
                    "type": "PIN_FOR_ALL",
                    "senderTimestampMS": "1764000000250",
                },
                "messageContextInfo": {"messageAddOnDurationInSecs": 604_800},
            },
            id="pin",
        ),
        pytest.param(
            Pin(OURS, 0),
            {
                "pinInChatMessage": {
                    "key": OUR_KEY,
                    "type": "UNPIN_FOR_ALL",
                    "senderTimestampMS": "1764000000250",
                },
                "messageContextInfo": {"messageAddOnDurationInSecs": 0},
            },
            id="pin taken back",
        ),
        pytest.param(
            Edit(OURS, "better"),
            {
                "protocolMessage": {
                    "key": OUR_KEY,
                    "type": "MESSAGE_EDIT",
                    "editedMessage": {"conversation": "better"},
                    "timestampMS": "1764000000250",
                }
            },
            id="edit",
        ),
        pytest.param(
            Delete(PHONES),
            {"protocolMessage": {"key": {**OUR_KEY, "ID": "3ACC"}, "type": "REVOKE"}},
            id="delete",
        ),
    ],
)
def test_what_others_read(judge: Judge, said: Content, shown: dict[str, Any]) -> None:
    plaintext = write(said, PLACE)
    assert judge.show(plaintext) == shown


@pytest.mark.parametrize(
    ("target", "chat", "wire", "under"),
    [
        (HIS, CHAT, None, (CHAT, ACCOUNT)),
        (OURS, CHAT, None, (ACCOUNT, ACCOUNT)),
        (PHONES, CHAT, None, (ACCOUNT, ACCOUNT)),
        (HIS, HIDDEN_CHAT, None, (HIDDEN_CHAT, LID)),
        (OURS, HIDDEN_CHAT, None, (LID, LID)),
        pytest.param(HIS, HIDDEN_CHAT, CHAT, (CHAT, ACCOUNT), id="a poll before the chat moved"),
        pytest.param(OURS, HIDDEN_CHAT, ACCOUNT, (ACCOUNT, ACCOUNT), id="an own one before"),
        pytest.param(
            HIS, CHAT, HIDDEN_CHAT, (HIDDEN_CHAT, LID), id="a poll by LID, read by number"
        ),
    ],
)
def test_a_vote_is_sealed_for_who_knows_the_poll(
    judge: Judge, target: Target, chat: str, wire: str | None, under: tuple[str, str]
) -> None:
    """By the addresses on the wire of the poll, though the chat's stanzas may have others now."""
    lids = {CHAT: HIDDEN_CHAT, ACCOUNT: LID} if chat == HIDDEN_CHAT else {}
    secret, number = b"s" * 32, target.message_id
    said = PollVote(target, ("yes", "né"), secret.hex())
    place = Place(chat, ACCOUNT, 1.25, LID, lambda person: lids.get(person, person), wire)
    plaintext = write(said, place)
    part = judge.show(plaintext)["pollUpdateMessage"]
    own = target.sender in {None, ACCOUNT}
    assert part["pollCreationMessageKey"] == {"remoteJID": chat, "fromMe": own, "ID": number}
    assert part["senderTimestampMS"] == "1250"
    vote = {name: base64.b64decode(value) for name, value in part["vote"].items()}
    opened = AESGCM(key(VOTE, secret, number, *under)).decrypt(
        vote["encIV"], vote["encPayload"], aad(VOTE, number, under[1])
    )
    # PollVoteMessage: field 1, repeated bytes.
    named = (hashlib.sha256(one.encode()).digest() for one in ("yes", "né"))
    assert opened == b"".join(b"\x0a\x20" + one for one in named)
    assert write(said, place) != plaintext  # another IV


@pytest.mark.parametrize(
    ("said", "part", "words"),
    [
        (Text("hi @15550100002"), "extendedTextMessage", "text"),
        (Image(FILE, "hi @15550100002"), "imageMessage", "caption"),
        (Video(FILE, "hi @15550100002"), "videoMessage", "caption"),
    ],
)
def test_a_message_lists_whom_it_mentions(
    judge: Judge, said: Content, part: str, words: str
) -> None:
    mentioned = Mentioned((HIDDEN_CHAT,), {"15550100002": "90000000000002"})
    place = Place(GROUP, ACCOUNT, 1.25, LID, mentioned=mentioned)
    shown = judge.show(write(said, place, UPLOAD))[part]
    assert shown["contextInfo"] == {"mentionedJID": [HIDDEN_CHAT]}
    assert shown[words] == "hi @90000000000002"


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (Text("hi", forwarding_score=2), "extendedTextMessage"),
        (Location(1.5, 2.0, forwarding_score=2), "locationMessage"),
        (Contact((Card("Ana", "1"),), forwarding_score=2), "contactMessage"),
        (Image(FILE, forwarding_score=2), "imageMessage"),
    ],
)
def test_a_forward_is_marked_and_counted(judge: Judge, said: Content, part: str) -> None:
    shown = judge.show(write(said, PLACE, UPLOAD))[part]
    assert shown["contextInfo"] == {"forwardingScore": 2, "isForwarded": True}


def test_the_forward_of_an_own_message_is_not_marked(judge: Judge) -> None:
    assert judge.show(write(Text("hi", forwarding_score=0), PLACE)) == {"conversation": "hi"}


def test_a_document_lists_whom_its_caption_mentions(judge: Judge) -> None:
    place = Place(GROUP, ACCOUNT, 1.25, LID, mentioned=Mentioned((CHAT,)))
    shown = judge.show(write(Document(FILE, "@15550100002"), place, UPLOAD))
    part = shown["documentWithCaptionMessage"]["message"]["documentMessage"]
    assert (part["contextInfo"], part["caption"]) == ({"mentionedJID": [CHAT]}, "@15550100002")


def test_a_reply_names_people_as_the_stanza_does(judge: Judge) -> None:
    lids = {CHAT: HIDDEN_CHAT, ACCOUNT: LID}
    place = Place(HIDDEN_CHAT, ACCOUNT, 1.25, LID, lids.__getitem__)
    for target, participant in ((HIS, HIDDEN_CHAT), (OURS, LID)):
        part = judge.show(write(Text("yes", Quote(target)), place))["extendedTextMessage"]
        assert part["contextInfo"]["participant"] == participant
        key = judge.show(write(Reaction(target, "+"), place))["reactionMessage"]["key"]
        assert key["remoteJID"] == HIDDEN_CHAT


@pytest.mark.parametrize("vote", [PollVote(HIS, ("yes",)), PollVote(HIS, None, "ab" * 32)])
def test_a_vote_in_a_poll_without_its_secret_is_refused_for_good(vote: PollVote) -> None:
    with pytest.raises(SendError) as failed:
        write(vote, PLACE)
    assert (failed.value.code, failed.value.permanent) == ("poll_unreadable", True)


def test_a_kind_that_cannot_be_sent_is_refused_for_good() -> None:
    with pytest.raises(SendError) as failed:
        write(Other("image", "look"), PLACE)
    assert (failed.value.code, failed.value.permanent) == ("unsupported_type", True)
