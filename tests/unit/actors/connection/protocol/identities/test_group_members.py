"""Members of a group, from WhatsApp's lists and from its notifications of changes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.abilities.administration import GroupSettings
from actors.connection.address_changes.named_member import NamedMember
from actors.connection.engine import EngineEvents, SendError
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import (
    GroupMembers,
    Member,
    MemberLists,
    MembersSource,
)
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.protocol.session_transactions import SessionLink

ANN, ANN_LID = Address.parse("15550100002@s.whatsapp.net"), Address.parse("2@lid")
BEN, BEN_LID = Address.parse("15550100003@s.whatsapp.net"), Address.parse("3@lid")
US = GroupMembers(
    "Us",
    "lid",
    (Member(ANN_LID, ANN, "superadmin"), Member(BEN_LID, BEN)),
    settings=GroupSettings(member_add_mode="admins"),
)


async def test_a_list_of_hundreds_of_groups_holds_nothing_up(tmp_path: Path) -> None:
    groups = {
        Address.parse(f"{number}@g.us"): GroupMembers("", "pn", (Member(ANN),))
        for number in range(200)
    }

    class GroupLists:
        async def all(self) -> dict[Address, GroupMembers]:
            return groups

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
        lists, link = cast("MembersSource", GroupLists()), cast("SessionLink", None)
        rosters = MemberLists(session, people, link, lists, on_inbox=on_inbox)
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
        cast("SessionLink", None),
        cast("MembersSource", None),
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
    everybody = tuple(Member(one) for one in (ANN, BEN_LID, account.canonical))
    answers: list[GroupMembers | RequestFailed] = [
        GroupMembers("Us", "pn", everybody),
        RequestFailed(404),
        RequestFailed(403),
        RequestFailed(404),
    ]

    class Answers:
        async def one(self, _: Address) -> GroupMembers:
            answer = answers.pop(0)
            if isinstance(answer, GroupMembers):
                return answer
            raise answer

    rosters = MemberLists(
        session,
        LidMapping(session, account, None),
        cast("SessionLink", None),
        cast("MembersSource", Answers()),
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
    stored = session.groups.members(str(chat))
    assert stored is not None
    async with session.transaction():
        ahead = stored.fetched_at + 365 * 86_400
        session.groups.save_members(str(chat), stored.roster, ahead)
    for number in (1, 2, 3):  # what a clock that was ahead dated is not fresh for a year
        with pytest.raises(SendError, match="unknown_group"):
            await rosters.one(Address.parse(f"12036300000000000{number}@g.us"))
