"""Members of a group, from WhatsApp's lists and from its notifications of changes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.abilities.administration import GroupSettings
from actors.connection.address_changes.named_member import NamedMember
from actors.connection.engine import EngineEvents, SendError
from actors.connection.native.identities.group_queries import OverSocket, query_all
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import (
    GroupMembers,
    Member,
    MemberLists,
    changed,
    read,
)
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.codec import encode
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.native.transport.socket import Socket

ANN, ANN_LID = Address.parse("15550100002@s.whatsapp.net"), Address.parse("2@lid")
BEN, BEN_LID = Address.parse("15550100003@s.whatsapp.net"), Address.parse("3@lid")
JID_PAIR = 250
"""The binary form's mark of an address; a user that is empty is 0."""
US = GroupMembers(
    "Us",
    "lid",
    (Member(ANN_LID, ANN, "superadmin"), Member(BEN_LID, BEN)),
    settings=GroupSettings(member_add_mode="admins"),
)


def participant(**attrs: str) -> Node:
    return Node("participant", attrs)


def test_all_groups_are_asked_for_at_the_groups_server() -> None:
    """By its address: whatsmeow and WhatsApp's clients send no bare name there."""
    asked = query_all()
    assert asked.attrs["to"] == "@g.us"
    assert encode(asked).count(bytes((JID_PAIR, 0))) == 1, "a pair without a user"


def test_reads_what_whatsapp_says() -> None:
    told = Node(
        "group",
        {"id": "1", "subject": "Us", "addressing_mode": "lid"},
        (
            participant(jid=str(ANN_LID), phone_number=str(ANN), type="superadmin"),
            Node("description"),
            participant(jid=str(BEN_LID), phone_number=str(BEN)),
            participant(jid="nobody"),
            participant(),
        ),
    )
    assert read(told) == US
    assert GroupMembers.decode(US.encode()) == US


def test_a_group_by_number() -> None:
    told = Node("group", {}, (participant(jid=str(ANN), lid=str(ANN_LID), type="admin"),))
    assert read(told) == replace(
        US, subject="", addressing="pn", members=(Member(ANN, ANN_LID, "admin"),)
    )


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (Node("add", {}, (participant(jid="4@lid"),)), ["2", "3", "4"]),
        (Node("add", {}, (participant(jid=str(BEN_LID)),)), ["2", "3"]),
        (Node("remove", {}, (participant(jid=str(BEN_LID)),)), ["2"]),
        # By another address than the list has.
        (Node("remove", {}, (participant(jid=str(BEN)),)), ["2"]),
        (Node("remove", {}, (participant(jid="4@lid"),)), ["2", "3"]),
        (Node("announcement"), ["2", "3"]),
    ],
)
def test_who_joins_and_who_leaves(change: Node, names: list[str]) -> None:
    after = changed(US, change)
    assert after is not None
    assert [one.address.user for one in after.members] == names


@pytest.mark.parametrize(
    ("tag", "ranks"), [("promote", ["superadmin", "admin"]), ("demote", ["superadmin", ""])]
)
def test_ranks(tag: str, ranks: list[str]) -> None:
    after = changed(US, Node(tag, {}, (participant(jid=str(BEN)),)))
    assert after is not None
    assert [one.rank for one in after.members] == ranks


@pytest.mark.parametrize(
    "change",
    [
        Node("modify", {}, (participant(jid="9@lid"),)),
        Node("create", {}, (Node("group"),)),
        Node("something_new", {}, (participant(jid="9@lid"),)),
    ],
)
def test_what_is_not_understood_is_asked_anew(change: Node) -> None:
    assert changed(US, change) is None


async def test_a_list_of_hundreds_of_groups_holds_nothing_up(tmp_path: Path) -> None:
    groups = [
        Node("group", {"id": f"{number}"}, (participant(jid=str(ANN)),)) for number in range(200)
    ]

    class GroupLists:
        async def request(self, _: Node) -> Node:
            return Node("iq", {}, (Node("groups", {}, tuple(groups)),))

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def on_inbox() -> None:
        return None

    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        people = LidMapping(session, Address.parse("15550100001:1@s.whatsapp.net"), None)
        socket = cast("Socket", GroupLists())
        rosters = MemberLists(session, people, socket, OverSocket(socket), on_inbox=on_inbox)
        beside = asyncio.ensure_future(others())
        assert len(await rosters.all()) == 200
        beside.cancel()
    assert turns >= 200


async def test_members_are_named_as_the_group_has_them(session: Session) -> None:
    """By its own kind of address, whatever else is known of the person; others by what is known."""
    device, own_lid = Address.parse("15550100001:4@s.whatsapp.net"), Address.parse("1:4@lid")
    rosters = MemberLists(
        session,
        LidMapping(session, device, own_lid),
        socket := cast("Socket", None),
        OverSocket(socket),
        on_inbox=EngineEvents().on_inbox,
    )
    stranger = Address.parse("15550100004@s.whatsapp.net")
    async with session.transaction():
        session.learn_lid(str(ANN_LID), str(ANN))
        session.learn_lid("33@lid", str(BEN))
        session.learn_lid("4@lid", str(stranger))
    named = rosters.named(US)
    assert named == {ANN: ANN_LID, BEN: BEN_LID}
    found = [rosters.address(one, US, named) for one in (BEN, stranger, device.canonical)]
    assert found == [BEN_LID, Address.parse("4@lid"), own_lid.canonical]
    by_number = GroupMembers("Us", "pn", (Member(ANN, ANN_LID), Member(BEN_LID, BEN)))
    named = rosters.named(by_number)
    assert named == {ANN: ANN, BEN: BEN}
    assert rosters.address(Address.parse("4@lid"), by_number, named) == stranger


async def test_one_group_has_the_names_of_its_members(session: Session) -> None:
    account = Address.parse("15550100001:4@s.whatsapp.net")
    chat = Address.parse("120363000000000001@g.us")
    everybody = [participant(jid=str(one)) for one in (ANN, BEN_LID, account.canonical)]
    answers: list[Node | RequestFailed] = [
        Node("iq", {}, (Node("group", {"id": "1", "subject": "Us"}, tuple(everybody)),)),
        RequestFailed(403),
        RequestFailed(404),
    ]

    class Answers:
        async def request(self, _: Node) -> Node:
            answer = answers.pop(0)
            if isinstance(answer, Node):
                return answer
            raise answer

    socket = cast("Socket", Answers())
    rosters = MemberLists(
        session,
        LidMapping(session, account, None),
        socket,
        OverSocket(socket),
        on_inbox=EngineEvents().on_inbox,
    )
    async with session.transaction():
        session.learn_lid(str(ANN_LID), str(ANN))
        session.push_names.save(str(ANN), "Ann")
    for _ in range(2):  # the second one without a request
        found = await rosters.one(chat)
        assert (found.chat, found.subject) == (str(chat), "Us")
        members = [one for one in found.members if isinstance(one, NamedMember)]
        named = {one.address: (one.sender_name, one.sender_lid) for one in members}
        assert named[str(ANN)] == ("Ann", str(ANN_LID))
        assert named[str(BEN_LID)] == (None, None)
    for number in (2, 3):
        with pytest.raises(SendError, match="unknown_group"):
            await rosters.one(Address.parse(f"12036300000000000{number}@g.us"))


async def test_a_subject_is_kept_also_without_the_members(session: Session) -> None:
    """By WhatsApp's list and by its notifications; a change of members leaves it."""
    account, other = Address.parse("15550100001:4@s.whatsapp.net"), "120363000000000002@g.us"

    class Listed:
        async def request(self, _: Node) -> Node:
            group = Node("group", {"id": other, "subject": "Us"})
            return Node("iq", {}, (Node("groups", {}, (group,)),))

    socket = cast("Socket", Listed())
    rosters = MemberLists(
        session,
        LidMapping(session, account, None),
        socket,
        OverSocket(socket),
        on_inbox=EngineEvents().on_inbox,
    )
    chat = Address.parse("120363000000000001@g.us")

    async def notified(change: Node) -> str | None:
        async with session.transaction():
            rosters.note(chat, Node("notification", {}, (change,)))
        return session.groups.subject(str(chat))

    assert await notified(Node("create", {}, ())) is None
    made = Node("group", {"id": "120363000000000001", "subject": "Tea"})
    assert await notified(Node("create", {}, (made,))) == "Tea", "a new group has a name at once"
    assert await notified(Node("subject", {"subject": "Chess"})) == "Chess"
    assert rosters.cached(chat) is None
    assert await notified(Node("subject", {"subject": "Chess club"})) == "Chess club"
    async with session.transaction():
        rosters.forget(chat)
    assert session.groups.subject(str(chat)) == "Chess club"
    (listed,) = await rosters.all()
    assert (listed.chat, listed.subject) == (other, session.groups.subject(other))


def test_a_group_whose_messages_disappear() -> None:
    """It comes with the group, and as it changes; the list of an older release lacks it."""
    told = Node(
        "group", {"id": "1", "subject": "Us"}, (Node("ephemeral", {"expiration": "86400"}),)
    )
    roster = read(told)
    assert roster.expires == 86_400
    assert GroupMembers.decode(roster.encode()) == roster
    assert GroupMembers.decode(US.encode()) == US
    for change, expires in (
        (Node("ephemeral", {"expiration": "604800"}), 604_800),
        (Node("not_ephemeral"), 0),
        (Node("ephemeral", {"expiration": "soon"}), 0),
        (Node("subject", {"subject": "We"}), 86_400),
    ):
        after = changed(roster, change)
        assert after is not None
        assert after.expires == expires
