"""Changes in a session by stanzas of groups; the sender's side is the same code's."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import handing
from actors.connection.native.signal.sender_keys import OwnSenderKey
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import GroupMembers, Member
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.messages.content import Delete, Target, decode
from tests.unit.actors.connection.native.receiving_device import (
    ACCOUNT,
    CONTACT,
    CONTACT_LID,
    GROUP,
    World,
    answers_of,
    text,
)

OTHER = "15550100003@s.whatsapp.net"
OTHER_GROUP = "120363000000000002@g.us"
ALL = [("ack", None), ("receipt", None)]
ASKED = [("receipt", "retry"), ("ack", None)]


@dataclass
class Speaker:
    """The contact's device in a group, with its sender key."""

    receiver: World
    key: OwnSenderKey = field(default_factory=lambda: OwnSenderKey.make(new_key_pair()))
    number: int = 0

    async def says(self, plaintext: bytes, *, hand: bool = False, **attrs: str) -> Node:
        """The stanza; with `hand` the key comes with it, as it was before."""
        handed = handing(attrs.pop("for_", GROUP), self.key)
        data, self.key = self.key.encrypt(wrappers.pad(plaintext))
        self.number += 1
        parts = [Node("enc", {"v": "2", "type": "skmsg"}, data)]
        if hand:
            parts.insert(0, (await self.receiver.message(handed)).children("enc")[0])
        named = {"id": f"G{self.number}", "from": GROUP, "participant": CONTACT, "t": "900"}
        return Node("message", {**named, **attrs}, parts)


@pytest.fixture
def speaker(receiver: World) -> Speaker:
    return Speaker(receiver)


def deletion(number: str, author: str) -> bytes:
    message = proto.Message()
    part = message.protocolMessage
    part.type = proto.Message.ProtocolMessage.REVOKE
    part.key.remoteJid, part.key.id, part.key.participant = GROUP, number, author
    serialized: bytes = message.SerializeToString()
    return serialized


async def know(receiver: World, rank: str) -> None:
    members = (
        Member(Address.parse(ACCOUNT)),
        Member(Address.parse(CONTACT_LID), Address.parse(CONTACT), rank),  # type: ignore[arg-type]
        Member(Address.parse(OTHER)),
    )
    async with receiver.session.transaction():
        receiver.session.groups.save_members(
            GROUP, GroupMembers("Us", "lid", members).encode(), 900.0
        )


async def test_reads_with_the_key_that_was_handed_over_in_any_order(
    receiver: World, speaker: Speaker
) -> None:
    stanzas = [await speaker.says(text(f"{n}"), hand=n == 0) for n in range(5)]
    for n in (0, 3, 1, 4, 2):
        assert answers_of(await receiver.take(stanzas[n])) == ALL
    for stanza in stanzas:
        assert (await receiver.take(stanza)).counted == "message.repeated"
    heard = [(one.chat, one.sender, one.text) for one in receiver.messages()]
    assert heard == [(GROUP, CONTACT, f"{n}") for n in (0, 3, 1, 4, 2)]


async def test_without_the_key_it_is_asked_for_and_the_answer_replaces_it(
    receiver: World, speaker: Speaker
) -> None:
    first = await speaker.says(text("first"))
    outcome = await receiver.take(first)
    (asked,) = outcome.at_once
    assert (asked.attrs["type"], asked.attrs["to"], asked.attrs["participant"]) == (
        "retry",
        GROUP,
        CONTACT,
    )
    again = await receiver.message(
        handing(GROUP, speaker.key, text("first")), from_=GROUP, participant=CONTACT, id="G1"
    )
    assert answers_of(await receiver.take(again)) == ALL
    # And the key that came with it reads what follows.
    assert answers_of(await receiver.take(await speaker.says(text("second")))) == ALL
    assert [one.text for one in receiver.messages()] == ["first", "second"]


async def test_the_key_is_kept_though_the_message_beside_it_is_garbled(
    receiver: World, speaker: Speaker
) -> None:
    first = await speaker.says(text("garbled"), hand=True)
    pair, shared = first.children("enc")
    garbled = Node("enc", shared.attrs, shared.data[:-1] + bytes([shared.data[-1] ^ 1]))
    outcome = await receiver.take(Node("message", first.attrs, (pair, garbled)))
    assert answers_of(outcome) == ASKED
    assert answers_of(await receiver.take(await speaker.says(text("next")))) == ALL
    # Redelivered whole it is read, though the key beside it can be no more.
    assert answers_of(await receiver.take(first)) == ALL
    assert sorted(one.text or "" for one in receiver.messages()) == ["garbled", "next"]


@pytest.mark.parametrize("where", ["for another group", "in a chat"])
async def test_a_key_is_for_the_group_that_it_came_in(
    receiver: World, speaker: Speaker, where: str
) -> None:
    if where == "in a chat":
        handed = await receiver.message(handing(GROUP, speaker.key))
        assert (await receiver.take(handed)).counted == "message.silent"
        stanza = await speaker.says(text("x"))
    else:
        stanza = await speaker.says(text("x"), hand=True, for_=OTHER_GROUP)
    assert answers_of(await receiver.take(stanza)) == ASKED


async def test_a_key_is_its_senders_alone(receiver: World, speaker: Speaker) -> None:
    """Another member's message with it is taken neither for its owner's nor for the member's own."""
    await receiver.take(await speaker.says(text("mine"), hand=True))
    stanza = await speaker.says(text("forged"), participant=OTHER)
    assert answers_of(await receiver.take(stanza)) == ASKED
    assert [one.text for one in receiver.messages()] == ["mine"]


@pytest.mark.parametrize("rank", ["admin", "superadmin"])
async def test_an_admin_deletes_what_another_wrote(
    receiver: World, speaker: Speaker, rank: str
) -> None:
    await know(receiver, rank)
    stanza = await speaker.says(deletion("THEIRS", OTHER), hand=True)
    assert (await receiver.take(stanza)).counted == "message.stored"
    (one,) = receiver.messages()
    assert decode(one.content or "") == Delete(Target("THEIRS", OTHER))


async def test_who_is_no_admin_deletes_nothing_of_anothers(
    receiver: World, speaker: Speaker
) -> None:
    await know(receiver, "")
    stanza = await speaker.says(deletion("THEIRS", OTHER), hand=True)
    outcome = await receiver.take(stanza)
    assert (outcome.counted, answers_of(outcome)) == ("message.refused", ALL)
    mine = await speaker.says(deletion("MINE", CONTACT))
    assert (await receiver.take(mine)).counted == "message.stored"


async def test_where_nobody_knows_the_ranks_they_are_asked_for_first(
    receiver: World, speaker: Speaker
) -> None:
    """It is not acknowledged meanwhile, and can be decrypted once more."""
    stanza = await speaker.says(deletion("THEIRS", OTHER), hand=True)
    for _ in range(2):
        outcome = await receiver.take(stanza)
        assert (outcome.task, outcome.answers) == ("roster", ())
    await know(receiver, "admin")
    assert (await receiver.take(stanza)).counted == "message.stored"
    unknown = await speaker.says(deletion("THEIRS", OTHER), hand=True, **{"from": OTHER_GROUP})
    receiver.incoming.untold.add(Address.parse(OTHER_GROUP))
    assert (await receiver.take(unknown)).task != "roster"


async def test_what_a_member_said_by_lid_is_the_numbers_once_that_is_known(
    receiver: World, speaker: Speaker
) -> None:
    first = await speaker.says(text("one"), hand=True, participant=CONTACT_LID)
    # The session is the number's: the LID alone has none, and gets it with the number.
    async with receiver.session.transaction():
        receiver.session.keys.move_ratchets(CONTACT, CONTACT_LID)
    assert answers_of(await receiver.take(first)) == ALL
    assert [one.sender for one in receiver.messages()] == [CONTACT_LID]
    second = await speaker.says(text("two"), participant=CONTACT_LID, participant_pn=CONTACT)
    assert answers_of(await receiver.take(second)) == ALL
    assert (await receiver.take(first)).counted == "message.repeated"
    assert [(one.sender, one.text) for one in receiver.messages()] == [
        (CONTACT, "one"),
        (CONTACT, "two"),
    ]


async def test_a_message_is_delivered_when_all_have_it(receiver: World) -> None:
    async with receiver.session.transaction():
        receiver.session.sent.remember(GROUP, "OURS", b"x", 900.0)
        receiver.session.groups.expect_receipts(GROUP, "OURS", [CONTACT, OTHER])

    def receipts() -> list[str]:
        return [one.status for one in receiver.session.inbox.pending("receipt", 9)]

    delivered = {"id": "OURS", "from": GROUP, "t": "901"}
    await receiver.take(Node("receipt", {**delivered, "participant": f"{CONTACT[:11]}:2@{PN}"}))
    await receiver.take(Node("receipt", {**delivered, "participant": CONTACT}))
    assert receipts() == []
    # Several members in one stanza, by the message; a stranger among them counts for nothing.
    users = [Node("user", {"jid": who, "t": "905"}) for who in ("1@lid", OTHER)]
    several = Node("participants", {"key": "OURS"}, users)
    await receiver.take(Node("receipt", {"id": "R", "from": GROUP, "type": "read"}, (several,)))
    assert receipts() == ["delivered"]
    await receiver.take(Node("receipt", {**delivered, "type": "read", "participant": CONTACT}))
    assert receipts() == ["delivered", "read"]
    await receiver.take(Node("receipt", {**delivered, "type": "read", "participant": CONTACT}))
    assert receipts() == ["delivered", "read"]


PN = "s.whatsapp.net"
