"""Changes groups at WhatsApp: names members as the group does, drops cached members of changed groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from actors.connection.abilities.administration import (
    CreatedGroup,
    GroupChange,
    InvitedGroup,
    JoinedGroup,
)
from actors.connection.engine import SendError
from actors.connection.protocol.administration.refusals import (
    ALREADY,
    OF_GROUPS,
    OF_INVITES,
    outcome,
)
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.connection.abilities.administration import Group, MemberAction, MemberOutcome
    from actors.connection.protocol.administration.open_login import OpenLogin
    from actors.connection.protocol.identities.group_members import GroupMembers, MemberLists


@dataclass(frozen=True, slots=True)
class Named:
    """A person in a request: the address that the group has, and the phone number where that is another one."""

    address: Address
    number: Address | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A person in an answer: the addresses that it names, and WhatsApp's error number, 0 for none."""

    addresses: tuple[Address, ...]
    error: int = 0


class GroupRequests(Protocol):
    """Sends requests about groups. Each raises `ConnectionLost`, `RequestFailed` or `RequestTimeout`, and repeats nothing."""

    async def create(
        self, subject: str, people: Sequence[Named]
    ) -> tuple[Address, str, Sequence[Answered]]:
        """Create a group; its address, its subject, and the persons in it."""

    async def set(self, chat: Address, setting: str, value: Any) -> None:
        """Change the setting of this name of `GroupChange`."""

    async def change_members(
        self, chat: Address, action: MemberAction, people: Sequence[Named]
    ) -> Sequence[Answered]:
        """Change these members; the answer for each."""

    async def invite_code(self, chat: Address, *, revoke: bool) -> str:
        """The code of the group's invitation, a new one with `revoke`."""

    async def invited(self, code: str) -> InvitedGroup:
        """The group of an invitation."""

    async def join(self, code: str) -> JoinedGroup:
        """Join the group of an invitation."""

    async def leave(self, chat: Address) -> None:
        """Leave the group."""


class GroupAdministration:
    """Implements `abilities.administration.GroupAbilities` over one login, by an engine's requests."""

    def __init__(self, login: OpenLogin, rosters: MemberLists, requests: GroupRequests) -> None:
        self._login, self._people = login, login.people
        self._rosters, self._requests = rosters, requests

    async def all(self) -> Sequence[Group]:
        """The groups that the account is in; see `MemberLists.all`."""
        with self._login.request_errors():
            return await self._rosters.all()

    async def one(self, chat: str) -> Group:
        """One of them, with its settings and its members' names; see `MemberLists.one`."""
        with self._login.request_errors():
            return await self._rosters.one(Address.parse(chat))

    async def create_group(self, subject: str, people: Sequence[str]) -> CreatedGroup:
        """See the port."""
        with self._login.request_errors(OF_GROUPS):
            persons = await self._persons(people)
            named = [self._named(each, each) for each in persons]
            chat, confirmed_subject, answers = await self._requests.create(subject, named)
        outcomes = self._outcomes(persons, "add", answers)
        return CreatedGroup(str(chat), confirmed_subject or subject, tuple(outcomes))

    async def change_group(self, chat: str, change: GroupChange) -> None:
        """See the port."""
        with self._login.request_errors(OF_GROUPS):
            group, _ = await self._group(chat)
            try:
                for setting in GroupChange.__dataclass_fields__:
                    if (value := getattr(change, setting)) is not None:
                        await self._requests.set(group, setting, value)
            finally:
                await self._forget(group)

    async def change_members(
        self, chat: str, action: MemberAction, people: Sequence[str]
    ) -> Sequence[MemberOutcome]:
        """See the port."""
        with self._login.request_errors(OF_GROUPS):
            group, roster = await self._group(chat)
            members = self._rosters.named(roster)
            persons = await self._persons(people)
            named = [
                self._named(each, self._rosters.address(each, roster, members)) for each in persons
            ]
            answers = await self._requests.change_members(group, action, named)
            await self._forget(group)
        return self._outcomes(persons, action, answers)

    async def invite_code(self, chat: str, *, revoke: bool) -> str:
        """See the port."""
        with self._login.request_errors(OF_GROUPS):
            group, _ = await self._group(chat)
            return await self._requests.invite_code(group, revoke=revoke)

    async def invited_group(self, code: str) -> InvitedGroup:
        """See the port."""
        with self._login.request_errors(OF_INVITES):
            return await self._requests.invited(code)

    async def join_group(self, code: str) -> JoinedGroup:
        """See the port."""
        with self._login.request_errors(OF_INVITES):
            await self._login.require_owner()
            try:
                return await self._requests.join(code)
            except RequestFailed as failed:
                if failed.code != ALREADY:
                    raise
            return JoinedGroup((await self._requests.invited(code)).chat, pending=False)

    async def leave_group(self, chat: str) -> None:
        """See the port."""
        with self._login.request_errors(OF_GROUPS):
            group, _ = await self._group(chat)
            await self._requests.leave(group)
            await self._forget(group)

    async def _group(self, chat: str) -> tuple[Address, GroupMembers]:
        """The group that the account is in. Raises `SendError` with ``unknown_group``, and what asking raises."""
        group = parse_optional(chat)
        if group is None or group.server != GROUP:
            raise SendError("unknown_group", permanent=True)
        await self._login.require_owner()
        try:
            return group, await self._rosters.of(group)
        except (NotInGroup, UnknownGroup):
            raise SendError("unknown_group", permanent=True) from None

    async def _persons(self, people: Iterable[str]) -> list[Address]:
        await self._login.require_owner()
        return [self._people.canonical(Address.parse(each)) for each in people]

    async def _forget(self, group: Address) -> None:
        async with transaction(self._login.session, self._login.link):
            self._rosters.forget(group)

    def _named(self, person: Address, address: Address) -> Named:
        number = self._people.named(person, "number")
        return Named(address, number if number.server != address.server else None)

    def _outcomes(
        self, persons: Sequence[Address], action: MemberAction, answers: Iterable[Answered]
    ) -> list[MemberOutcome]:
        errors = {
            self._people.canonical(address): each.error
            for each in answers
            for address in each.addresses
        }
        return [outcome(str(person), action, errors.get(person)) for person in persons]
