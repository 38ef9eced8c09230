"""What events change, played with objects of the shape of neonize's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.receive.addons import EDIT, IV_BYTES, key
from actors.connection.native.transport.nodes import proto
from actors.connection.neonize.incoming import MAX_RETRIES, Departed, Incoming
from actors.messages.content import Edit, Target, decode

if TYPE_CHECKING:
    from actors.connection.session.session import Session
    from tests.unit.actors.connection.sessions import Clock

OWN = Address("15550100001", "s.whatsapp.net", 3)
FRIEND = "15550100002@s.whatsapp.net"
SECRET = b"s" * 32


def jid(text: str) -> SimpleNamespace:
    user, _, server = text.partition("@")
    return SimpleNamespace(User=user, Server=server, Device=0)


NOBODY = SimpleNamespace(User="", Server="", Device=0)


def source(chat: str = FRIEND, **more: Any) -> SimpleNamespace:
    plain = {"Sender": jid(chat), "IsFromMe": False, "SenderAlt": NOBODY, "RecipientAlt": NOBODY}
    return SimpleNamespace(**{"Chat": jid(chat), **plain, **more})


def event(name: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(DESCRIPTOR=SimpleNamespace(name=name), **fields)


def message(message_id: str, said: Any, **more: Any) -> SimpleNamespace:
    info = SimpleNamespace(
        ID=message_id, Timestamp=1_800_000_000_000, Pushname="Ana", MessageSource=source(**more)
    )
    return event("Message", Info=info, Message=said)


def receipt(*ids: str, kind: int = 1) -> SimpleNamespace:
    at = 1_800_000_001
    return event("Receipt", MessageSource=source(), MessageIDs=ids, Type=kind, Timestamp=at)


@pytest.fixture
def incoming(session: Session, clock: Clock) -> Incoming:
    return Incoming(session, People(session, OWN, None), clock)


async def test_a_receipt_that_overtakes_the_ack_is_kept(
    session: Session, incoming: Incoming
) -> None:
    """WhatsApp may tell of it before Go tells which id the message got."""
    async with session.transaction():
        assert not incoming.take(receipt("THEIRS"))
        assert session.pending("receipt", 9) == []
        assert incoming.departed(Departed(FRIEND, "OURS", "THEIRS", None))
        assert incoming.take(receipt("THEIRS", kind=4))
    told = [(one.message_ids, one.status) for one in session.pending("receipt", 9)]
    assert told == [(("OURS",), "delivered"), (("OURS",), "read")]


async def test_a_message_that_comes_twice_is_there_once(
    session: Session, incoming: Incoming
) -> None:
    async with session.transaction():
        assert incoming.take(message("ONE", proto.Message(conversation="hi")))
        assert not incoming.take(message("ONE", proto.Message(conversation="hi")))
    (one,) = session.pending("message", 9)
    assert (one.chat, one.text, one.at, one.push_name) == (FRIEND, "hi", 1_800_000_000, "Ana")


async def test_an_edit_that_came_before_its_message_is_read_with_it(
    session: Session, incoming: Incoming
) -> None:
    inner = proto.Message()
    change = inner.protocolMessage
    change.type, change.key.id, change.key.fromMe = change.MESSAGE_EDIT, "ONE", True
    change.editedMessage.conversation = "first"
    sealed = proto.Message()
    part = sealed.secretEncryptedMessage
    part.targetMessageKey.id, part.targetMessageKey.fromMe = "ONE", True
    part.secretEncType, part.encIv = part.MESSAGE_EDIT, b"i" * IV_BYTES
    under = AESGCM(key(EDIT, SECRET, "ONE", FRIEND, FRIEND))
    part.encPayload = under.encrypt(part.encIv, inner.SerializeToString(), None)
    plain = proto.Message(conversation="frist")
    plain.messageContextInfo.messageSecret = SECRET
    async with session.transaction():
        assert incoming.take(message("EDIT", sealed))
    (placeholder,) = session.pending("message", 9)
    assert placeholder.type == "undecryptable"
    async with session.transaction():
        assert incoming.take(message("ONE", plain))
    one, edit = session.pending("message", 9)
    assert (one.text, edit.message_id, edit.push_name) == ("frist", "EDIT", "Ana")
    assert decode(edit.content or "") == Edit(Target("ONE", FRIEND), "first")


async def test_what_a_contact_sends_by_a_list_is_said_in_the_chat_with_them(
    session: Session, incoming: Incoming
) -> None:
    """A status update is not, nor what another own device sends to a list."""
    for number, chat, own in (
        ("LIST", "1764000000@broadcast", False),
        ("STATUS", "status@broadcast", False),
        ("OWN", "1764000000@broadcast", True),
    ):
        by = vars(source(Chat=jid(chat), IsFromMe=own))
        async with session.transaction():
            incoming.take(message(number, proto.Message(conversation="to many"), **by))
    (one,) = session.pending("message", 9)
    assert (one.message_id, one.chat, one.sender) == ("LIST", FRIEND, FRIEND)


async def test_what_no_person_said_shows_nothing(session: Session, incoming: Incoming) -> None:
    key = proto.Message()
    key.senderKeyDistributionMessage.groupId = "120363000000000001@g.us"
    async with session.transaction():
        assert not incoming.take(message("KEY", key))
        channel = source(Chat=jid("120363000000000001@newsletter"))
        assert not incoming.take(message("NEWS", proto.Message(conversation="x"), **vars(channel)))
    assert session.pending("message", 9) == []


async def test_one_that_cannot_be_read_shows_once_nobody_is_asked_any_more(
    session: Session, incoming: Incoming
) -> None:
    garbled = event("UndecryptableMessage", Info=message("BAD", None).Info)
    async with session.transaction():
        for _ in range(MAX_RETRIES):
            assert not incoming.take(garbled)
        assert session.pending("message", 9) == []
        assert incoming.take(garbled)
    assert [one.type for one in session.pending("message", 9)] == ["undecryptable"]
    async with session.transaction():
        assert incoming.take(message("BAD", proto.Message(conversation="after all")))
    assert [one.text for one in session.pending("message", 9)][-1] == "after all"


async def test_a_file_is_told_and_not_fetched(session: Session, incoming: Incoming) -> None:
    picture = proto.Message()
    part = picture.imageMessage
    part.mediaKey, part.fileSha256, part.fileEncSha256 = b"k" * 32, b"s" * 32, b"e" * 32
    part.directPath, part.fileLength, part.mimetype = "/v/x", 9, "image/jpeg"
    async with session.transaction():
        assert incoming.take(message("PICTURE", picture))
    assert [one.type for one in session.pending("message", 9)] == ["image"]
    async with session.transaction():
        session.settle([one.key for one in session.pending("message", 9)])
    (file,) = session.pending("file", 9)
    assert (file.status, file.error) == ("failed", "unsupported_by_engine")


async def test_a_lid_whose_number_is_told_is_that_person(
    session: Session, incoming: Incoming
) -> None:
    lid = "100000000000002@lid"
    async with session.transaction():
        said = proto.Message(conversation="by lid")
        assert incoming.take(message("LID", said, chat=lid, SenderAlt=jid(FRIEND)))
    assert [one.chat for one in session.pending("message", 9)] == [FRIEND]
