"""Changes of groups, the same for both engines: who is named how, what is asked, and what an older owner may not."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.administration import (
    CreatedGroup,
    GroupChange,
    InvitedGroup,
    JoinedGroup,
    MemberOutcome,
)
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import EngineEvents, NotConnected, SendError
from actors.connection.protocol.administration.group_administration import (
    Answered,
    GroupAdministration,
    Named,
)
from actors.connection.protocol.administration.open_login import OpenLogin
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import GroupMembers, Member, MemberLists
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

GROUP = Address.parse("120363000000000001@g.us")
OWN, OWN_LID = Address.parse("15550100001@s.whatsapp.net"), Address.parse("90000000000001@lid")
ANA, ANA_LID = Address.parse("15550100002@s.whatsapp.net"), Address.parse("90000000000002@lid")
BEN = Address.parse("15550100003@s.whatsapp.net")
US = GroupMembers("Us", "lid", (Member(OWN_LID, OWN, "admin"), Member(ANA_LID, ANA)))


class WhatsApp:
    """Keeps what it is asked; answers, or fails, as a test sets it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer: Any = None
        self.fails: dict[str, Exception] = {}
        self.members = US
        self.cause: Cause | None = None

    def fail(self, cause: Cause) -> None:
        self.cause = cause

    async def one(self, chat: Address) -> GroupMembers:
        self.asked.append(("one", chat))
        return self.members

    async def all(self) -> dict[Address, GroupMembers]:
        return {GROUP: self.members}

    async def _asked(self, what: str, *args: Any) -> Any:
        self.asked.append((what, *args))
        if what in self.fails:
            raise self.fails[what]
        return self.answer

    async def create(self, subject: str, people: Any) -> Any:
        return await self._asked("create", subject, people)

    async def set(self, chat: Address, setting: str, value: Any) -> None:
        await self._asked(setting, chat, value)

    async def change_members(self, chat: Address, action: str, people: Any) -> Any:
        return await self._asked(action, chat, people)

    async def invite_code(self, chat: Address, *, revoke: bool) -> Any:
        return await self._asked("invite", chat, revoke)

    async def invited(self, code: str) -> Any:
        self.asked.append(("invited", code))
        return InvitedGroup(str(GROUP), "Us", "", 3)

    async def join(self, code: str) -> Any:
        return await self._asked("join", code)

    async def leave(self, chat: Address) -> None:
        await self._asked("leave", chat)


class Login:
    def __init__(self, session: Session) -> None:
        self.session, self.whatsapp, self.logged_in = session, WhatsApp(), True
        people = LidMapping(session, OWN, OWN_LID)
        wire: Any = self.whatsapp
        events = EngineEvents()
        self.rosters = MemberLists(session, people, wire, wire, on_inbox=events.on_inbox)
        login = OpenLogin(session, people, wire, lambda: self.logged_in, events.on_inbox)
        self.groups = GroupAdministration(login, self.rosters, wire)

    @property
    def asked(self) -> list[tuple[Any, ...]]:
        """The requests, without those for the members."""
        return [each for each in self.whatsapp.asked if each[0] != "one"]


@pytest.fixture
async def login(session: Session) -> Login:
    async with session.transaction():
        session.learn_lid(str(ANA_LID), str(ANA))
    return Login(session)


async def test_a_group_is_created_with_the_outcome_of_each(login: Login) -> None:
    login.whatsapp.answer = (
        GROUP,
        "Chess",
        [Answered((OWN_LID, OWN)), Answered((ANA_LID,)), Answered((BEN,), 403)],
    )
    made = await login.groups.create_group("Chess", [str(ANA_LID), str(BEN)])
    assert made == CreatedGroup(
        str(GROUP),
        "Chess",
        (
            MemberOutcome(str(ANA), "done"),
            MemberOutcome(str(BEN), "refused", "invite_needed"),
        ),
    )
    assert login.asked == [("create", "Chess", [Named(ANA), Named(BEN)])]


async def test_members_are_named_as_the_group_names_them(login: Login) -> None:
    """By LID, with the number beside it; a stranger by the number, since no LID is known."""
    login.whatsapp.answer = [Answered((ANA_LID, ANA), 409), Answered((BEN,))]
    outcomes = await login.groups.change_members(str(GROUP), "add", [str(ANA), str(BEN)])
    assert outcomes == [MemberOutcome(str(ANA), "unchanged"), MemberOutcome(str(BEN), "done")]
    assert login.asked == [("add", GROUP, [Named(ANA_LID, ANA), Named(BEN)])]


async def test_a_group_by_numbers_is_asked_by_numbers(login: Login) -> None:
    login.whatsapp.members = GroupMembers("Us", "pn", (Member(OWN, None, "admin"), Member(ANA)))
    login.whatsapp.answer = [Answered((ANA,))]
    await login.groups.change_members(str(GROUP), "promote", [str(ANA_LID)])
    assert login.asked == [("promote", GROUP, [Named(ANA)])]


async def test_a_person_whom_the_answer_leaves_out_has_no_outcome(login: Login) -> None:
    login.whatsapp.answer = []
    outcomes = await login.groups.change_members(str(GROUP), "remove", [str(ANA)])
    assert outcomes == [MemberOutcome(str(ANA), "refused", "no_answer")]


async def test_settings_are_changed_one_by_one_until_one_is_refused(login: Login) -> None:
    login.whatsapp.fails["locked"] = RequestFailed(403)
    change = GroupChange(subject="Them", announce=False, locked=True, ephemeral=0)
    with pytest.raises(SendError) as caught:
        await login.groups.change_group(str(GROUP), change)
    assert caught.value.code == "not_allowed"
    assert login.asked == [
        ("subject", GROUP, "Them"),
        ("announce", GROUP, False),
        ("locked", GROUP, True),
    ]


async def test_a_changed_group_is_asked_for_anew(login: Login) -> None:
    await login.groups.change_group(str(GROUP), GroupChange(subject="Them"))
    assert login.session.groups.members(str(GROUP)) is None
    login.whatsapp.answer = []
    await login.groups.change_members(str(GROUP), "remove", [str(ANA)])
    await login.groups.leave_group(str(GROUP))
    assert [each for each in login.whatsapp.asked if each[0] == "one"] == [("one", GROUP)] * 3
    assert login.session.groups.members(str(GROUP)) is None


async def test_a_group_that_the_account_is_not_in_is_unknown(login: Login) -> None:
    login.whatsapp.members = GroupMembers("Us", "lid", (Member(ANA_LID, ANA),))
    for change in (
        login.groups.leave_group(str(GROUP)),
        login.groups.invite_code(str(GROUP), revoke=False),
        login.groups.change_group("nobody", GroupChange(subject="x")),
        login.groups.change_members(str(ANA), "add", [str(BEN)]),
    ):
        with pytest.raises(SendError) as caught:
            await change
        assert (caught.value.code, caught.value.permanent) == ("unknown_group", True)
    assert login.asked == []


async def test_joining_twice_changes_nothing(login: Login) -> None:
    login.whatsapp.answer = JoinedGroup(str(GROUP), pending=True)
    assert await login.groups.join_group("CODE") == JoinedGroup(str(GROUP), pending=True)
    login.whatsapp.fails["join"] = RequestFailed(409)
    assert await login.groups.join_group("CODE") == JoinedGroup(str(GROUP), pending=False)
    login.whatsapp.fails["join"] = RequestFailed(410)
    with pytest.raises(SendError, match="invite_revoked"):
        await login.groups.join_group("CODE")


@pytest.mark.parametrize(
    ("failure", "code", "uncertain"),
    [
        (ConnectionLost(Cause(Kind.NETWORK), written=True), "connection_lost", True),
        (ConnectionLost(Cause(Kind.NETWORK), written=False), "not_connected", False),
        (RequestTimeout(), "whatsapp_timeout", False),
        (RequestFailed(500), "request_failed_500", False),
    ],
)
async def test_a_lost_answer_is_no_refusal_and_nothing_is_repeated(
    login: Login, failure: Exception, code: str, uncertain: bool
) -> None:
    login.whatsapp.fails["create"] = failure
    with pytest.raises(SendError) as caught:
        await login.groups.create_group("Chess", [str(BEN)])
    assert (caught.value.code, caught.value.uncertain) == (code, uncertain)
    assert not caught.value.permanent
    assert len(login.asked) == 1


async def test_nothing_is_asked_before_the_login_is_done(login: Login) -> None:
    login.logged_in = False
    for change in (
        login.groups.create_group("Chess", [str(BEN)]),
        login.groups.all(),
        login.groups.invited_group("CODE"),
        login.groups.leave_group(str(GROUP)),
    ):
        with pytest.raises(NotConnected):
            await change
    assert login.whatsapp.asked == []


async def test_an_older_owner_changes_nothing(login: Login, path: Path) -> None:
    """G6: a newer one has the session."""
    with closing(Session.open(path, 4)):
        for change in (
            login.groups.create_group("Chess", [str(BEN)]),
            login.groups.join_group("CODE"),
            login.groups.leave_group(str(GROUP)),
            login.groups.change_members(str(GROUP), "remove", [str(ANA)]),
        ):
            with pytest.raises(NotConnected):
                await change
    assert login.whatsapp.asked == []
    assert login.whatsapp.cause is not None
    assert login.whatsapp.cause.kind is Kind.REPLACED
