"""Returns group members from the session file's cache or by a query; applies group notifications to the cache."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from actors.connection.abilities.administration import Group, GroupMember, GroupSettings
from actors.connection.address_changes.named_member import NamedMember
from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import (
    LID,
    PHONE_NUMBER,
    Address,
    parse_optional,
)
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from actors.connection.protocol.identities.addresses import Kind
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session

MEMBERS_FRESH_SECONDS: Final = 86_400.0
"""Seconds that a list of members is trusted without news of a change."""

MOST_MEMBERS: Final = 5_000
"""More than WhatsApp allows in a group."""

NAMES_PER_STEP: Final = 100
"""Members whose names are read before something else has its turn."""

_FORBIDDEN: Final = frozenset({401, 403})
_MISSING: Final = frozenset({404, 406, 410})


class NotInGroup(Exception):
    """The account is no member of the group."""


class UnknownGroup(Exception):
    """There is no such group at WhatsApp."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of a group: the address that the group has, the other one where it is known, the rank."""

    address: Address
    other: Address | None = None
    rank: Literal["", "admin", "superadmin"] = ""

    @property
    def addresses(self) -> frozenset[Address]:
        """The addresses of the member that are known: phone number, LID, or both."""
        return frozenset(one for one in (self.address, self.other) if one is not None)


@dataclass(frozen=True, slots=True)
class GroupMembers:
    """The members of a group; `addressing` is the kind of address by which its devices are named.

    `expires`: seconds after which its messages disappear, 0 where they stay.
    """

    subject: str
    addressing: Literal["lid", "pn"]
    members: tuple[Member, ...]
    expires: int = 0
    settings: GroupSettings = field(default_factory=GroupSettings)

    @property
    def kind(self) -> Kind:
        """The kind of its members' addresses."""
        return "lid" if self.addressing == "lid" else "number"

    def encode(self) -> str:
        """The group as JSON for its row of the session file."""
        members = [
            [str(one.address), one.other and str(one.other), one.rank] for one in self.members
        ]
        named: dict[str, Any] = {
            "subject": self.subject,
            "addressing": self.addressing,
            "members": members,
            "settings": asdict(self.settings),
        }
        named |= {"expires": self.expires} if self.expires else {}
        return json.dumps(named, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def decode(cls, encoded: str) -> GroupMembers:
        """The group of the JSON that `encode` made."""
        named = json.loads(encoded)
        members = (
            Member(Address.parse(address), parse_optional(other), rank)
            for address, other, rank in named["members"]
        )
        settings = GroupSettings(**named.get("settings", {}))
        expires = named.get("expires", 0)
        return cls(named["subject"], named["addressing"], tuple(members), expires, settings)


class MembersSource(Protocol):
    """Queries of groups. Raises `ConnectionLost`, `RequestFailed` or `RequestTimeout`."""

    async def one(self, chat: Address) -> GroupMembers:
        """The members of a group. Raises `UnknownGroup`, too."""

    async def all(self) -> dict[Address, GroupMembers]:
        """Those of all groups that the account is in."""


class MemberLists:
    """Members by group. Concurrent questions about one group are one request."""

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        socket: SessionLink,
        groups: MembersSource,
        *,
        on_inbox: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`groups` asks over `socket`."""
        self._session = session
        self._people = people
        self._socket = socket
        self._groups = groups
        self._clock = clock
        self._on_inbox = on_inbox
        self._queries: dict[Address, asyncio.Task[GroupMembers]] = {}
        self._changed: set[Address] = set()

    def cached(self, chat: Address) -> GroupMembers | None:
        """The cached members, however old."""
        stored = self._session.groups.members(str(chat))
        return None if stored is None else GroupMembers.decode(stored.roster)

    async def of(self, chat: Address, also: Iterable[Address] = ()) -> GroupMembers:
        """The members of a group that the account is in, and perhaps these people.

        Raises `NotInGroup`, `UnknownGroup`, and what asking raises.
        """
        stored = self._session.groups.members(str(chat))
        if stored is not None and 0 <= self._clock() - stored.fetched_at < MEMBERS_FRESH_SECONDS:
            roster = GroupMembers.decode(stored.roster)
            wanted = {self._people.account, *map(self._people.canonical, also)}
            if wanted <= self.persons(roster).keys():
                return roster
        # A list without them is requested once more: a message is refused for good by it.
        roster = await self.refresh(chat)
        if not self.includes(roster, self._people.account):
            raise NotInGroup
        return roster

    async def refresh(self, chat: Address) -> GroupMembers:
        """As `of`, but ask WhatsApp whatever the cache says; the account may be out."""
        query = self._queries.get(chat)
        if query is None:
            query = asyncio.create_task(self._request(chat))
            self._queries[chat] = query
            query.add_done_callback(lambda done: self._query_done(chat, done))
        return await asyncio.shield(query)

    def persons(self, roster: GroupMembers) -> dict[Address, Member]:
        """The members by their canonical addresses."""
        return {self._people.canonical(one.other or one.address): one for one in roster.members}

    def named(self, roster: GroupMembers) -> dict[Address, Address]:
        """The members' canonical addresses, and those by which the group names them."""
        persons = self.persons(roster).items()
        return {person: self._address_of(person, member, roster) for person, member in persons}

    def _address_of(self, person: Address, member: Member, roster: GroupMembers) -> Address:
        server = LID if roster.kind == "lid" else PHONE_NUMBER
        addresses = (one for one in (member.address, member.other) if one is not None)
        address = next((one for one in addresses if one.server == server), None)
        return address or self._people.named(person, roster.kind)

    def address(
        self, person: Address, roster: GroupMembers, named: Mapping[Address, Address]
    ) -> Address:
        """The address of the group's kind of anybody; `named` are its members'."""
        return named.get(person) or self._people.named(person, roster.kind)

    def includes(self, roster: GroupMembers, person: Address) -> bool:
        """Whether this person (canonical) is a member."""
        return person in self.persons(roster)

    def is_admin(self, roster: GroupMembers, person: Address) -> bool:
        """Whether this person (canonical) is a member who may delete what others wrote."""
        member = self.persons(roster).get(person)
        return member is not None and member.rank != ""

    def note_subject(self, chat: Address, subject: str) -> None:
        """Keep the subject that a notification has, inside a transaction of the session; an empty one is none."""
        self._session.groups.save_subject(str(chat), subject)

    def forget(self, chat: Address) -> None:
        """Ask for the group anew when it counts, inside a transaction of the session."""
        if chat in self._queries:
            self._changed.add(chat)
        self._session.groups.forget_members(str(chat))

    async def all(self) -> list[Group]:
        """The groups that the account is in. Raises what asking raises."""
        groups = await self._groups.all()
        news = False
        async with transaction(self._session, self._socket):
            for chat, roster in groups.items():
                # One that is being asked for has an answer of its own, which may be newer.
                if chat not in self._queries:
                    news |= self._save(chat, roster)
                # Hundreds of groups must not hold up what else there is to do.
                await asyncio.sleep(0)
        if news:
            await self._on_inbox()
        return [self._shown(chat, roster) for chat, roster in groups.items()]

    async def one(self, chat: Address) -> Group:
        """A group that the account is in, its settings and members; requested where it is older than a day.

        Raises `SendError` (``unknown_group``), and what asking raises.
        """
        try:
            roster = await self.of(chat)
        except (NotInGroup, UnknownGroup):
            raise SendError("unknown_group", permanent=True) from None
        members = list[NamedMember]()
        for person, one in self.persons(roster).items():
            named = self._people.naming(person)
            members.append(NamedMember(str(person), one.rank != "", **named))
            if len(members) % NAMES_PER_STEP == 0:
                await asyncio.sleep(0)
        return Group(str(chat), roster.subject, tuple(members), roster.settings)

    def _shown(self, chat: Address, roster: GroupMembers) -> Group:
        members = self.persons(roster).items()
        shown = (GroupMember(str(person), one.rank != "") for person, one in members)
        return Group(str(chat), roster.subject, tuple(shown))

    def _save(self, chat: Address, roster: GroupMembers) -> bool:
        """Cache WhatsApp's answer; return whether it brought another address of anybody."""
        news = False
        for one in roster.members:
            news |= self._people.learn(one.address, one.other)
        self._session.groups.save_members(str(chat), roster.encode(), self._clock())
        self._session.groups.save_subject(str(chat), roster.subject)
        return news

    async def _request(self, chat: Address) -> GroupMembers:
        while True:
            try:
                roster, news = await self._groups.one(chat), False
            except RequestFailed as failed:
                if failed.code in _FORBIDDEN:
                    raise NotInGroup from None
                if failed.code in _MISSING:
                    raise UnknownGroup from None
                raise
            async with transaction(self._session, self._socket):
                # An answer that was on its way when somebody came or left may not know of it.
                stale = chat in self._changed
                self._changed.discard(chat)
                if not stale:
                    news = self._save(chat, roster)
            if not stale:
                if news:
                    await self._on_inbox()
                return roster

    def _query_done(self, chat: Address, done: asyncio.Task[GroupMembers]) -> None:
        del self._queries[chat]
        self._changed.discard(chat)
        if not done.cancelled():
            done.exception()  # seen, where everyone who waited was cancelled
