"""Deliveries of the program in the words of stanzas, as both engines take them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.message_source import MessageSource, source_of
from actors.connection.session.session import Session
from actors.connection.whatsmeow.program.frames import Frame
from actors.connection.whatsmeow.to_nodes import delivery_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME, PERSON, LID = "15550100001@s.whatsapp.net", "15550100002@s.whatsapp.net", "90000000000002@lid"
GROUP, LIST = "120363000000000001@g.us", "1700000000@broadcast"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[LidMapping]:
    session = Session.open(tmp_path / "session.db", 1)
    yield LidMapping(
        session, Address.parse("15550100001:7@s.whatsapp.net"), Address.parse("1:7@lid")
    )
    session.close()


def source(people: LidMapping, **told: Any) -> MessageSource | None:
    told = {"message_id": "3EB0", "at": 7, **told}
    return source_of(delivery_of(8, "message", Frame(told, b"")), people)


@pytest.mark.parametrize(
    ("told", "chat", "sender", "from_me"),
    [
        ({"chat": PERSON, "sender": "15550100002:3@s.whatsapp.net"}, PERSON, PERSON, False),
        ({"chat": LID, "sender": "90000000000002:3@lid"}, LID, LID, False),
        ({"chat": GROUP, "sender": LID}, GROUP, LID, False),
        ({"chat": LIST, "sender": PERSON}, PERSON, PERSON, False),
        ({"chat": PERSON, "sender": ME, "from_me": True}, PERSON, ME, True),
        ({"chat": LID, "sender": "1@lid", "from_me": True}, LID, "1@lid", True),
        ({"chat": GROUP, "sender": "1:2@lid", "from_me": True}, GROUP, "1@lid", True),
    ],
)
def test_whose_message_it_is(
    people: LidMapping, told: dict[str, Any], chat: str, sender: str, *, from_me: bool
) -> None:
    found = source(people, **told)
    assert found is not None
    assert (str(found.chat), str(found.sender.canonical), found.from_me) == (chat, sender, from_me)


@pytest.mark.parametrize("chat", ["status@broadcast", "120363000000000001@newsletter"])
def test_what_is_no_message_between_people(people: LidMapping, chat: str) -> None:
    if chat.startswith("status"):
        assert source(people, chat=chat, sender=PERSON) is None
    else:
        assert source(people, chat=chat, sender=chat) is None


async def test_the_other_address_of_a_person_is_learnt(people: LidMapping) -> None:
    stanza = delivery_of(
        8,
        "message",
        Frame({"message_id": "3EB0", "chat": LID, "sender": LID, "sender_alt": PERSON}, b""),
    )
    async with people._session.transaction():
        assert people.learn_from(stanza)
    assert str(people.canonical(Address.parse(LID))) == PERSON


def test_what_comes_beside_the_content() -> None:
    told = {"message_id": "3EB0", "at": 7, "chat": PERSON, "sender": PERSON, "push_name": "Ann"}
    stanza = delivery_of(8, "message", Frame({**told, "offline": True}, b"\1"))
    assert (stanza.request, stanza.kind, stanza.body) == (8, "message", b"\1")
    expected = {"id": "3EB0", "t": "7", "notify": "Ann", "from": PERSON, "offline": "1"}
    assert stanza.attrs == expected
    assert delivery_of(8, "new_kind", Frame({}, b"")).attrs == {}


def test_receipts_with_all_their_ids() -> None:
    told = {"chat": GROUP, "sender": LID, "ids": ["A", "B"], "type": "read", "at": 9}
    stanza = delivery_of(8, "receipt", Frame(told, b""))
    (one,) = receipts.of_members(stanza)
    assert one == (LID, receipts.Receipt(("A", "B"), "read", 9))
    delivered = delivery_of(
        8, "receipt", Frame({**told, "type": "", "chat": PERSON, "sender": PERSON}, b"")
    )
    assert receipts.read(delivered).status == "delivered"
