"""Queries groups through the whatsmeow program, and converts the answers to group members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.abilities.administration import GroupSettings
from actors.connection.protocol.administration.group_settings import ADD_MODES
from actors.connection.protocol.identities.addresses import GROUP, LID, Address, parse_optional
from actors.connection.protocol.identities.group_members import (
    MOST_MEMBERS,
    GroupMembers,
    Member,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from actors.connection.whatsmeow.login_channel import Link


class ByProgram:
    """Asks for groups over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def one(self, chat: Address) -> GroupMembers:
        """The members of a group. Raises what `Link.ask` raises."""
        return members_of((await self._link.ask("group", chat=str(chat))).header)

    async def all(self) -> dict[Address, GroupMembers]:
        """Those of all groups that the account is in. Raises what `Link.ask` raises."""
        answer = await self._link.ask("groups")
        found = {}
        for told in answer.header.get("groups") or ():
            chat = parse_optional(str(told.get("chat", "")))
            if chat is not None and chat.server == GROUP:
                found[chat] = members_of(told)
        return found


def members_of(told: Mapping[str, Any]) -> GroupMembers:
    """The members in the program's description of a group."""
    members = tuple(_members(told.get("members") or ()))[:MOST_MEMBERS]
    by_lid = told.get("addressing") == "lid"
    settings = _settings(told)
    subject, expires = str(told.get("subject", "")), settings.ephemeral
    return GroupMembers(subject, "lid" if by_lid else "pn", members, expires, settings)


def _settings(told: Mapping[str, Any]) -> GroupSettings:
    timer = told.get("timer")
    return GroupSettings(
        description=str(told.get("description") or ""),
        announce=bool(told.get("announce")),
        locked=bool(told.get("locked")),
        ephemeral=timer if isinstance(timer, int) else 0,
        member_add_mode="all" if told.get("member_add_mode") == ADD_MODES["all"] else "admins",
        approval=bool(told.get("approval")),
    )


def _members(told: Iterable[Mapping[str, Any]]) -> Iterator[Member]:
    for one in told:
        address = parse_optional(str(one.get("address", "")))
        if address is None or not address.is_person:
            continue
        named = one.get("phone") if address.server == LID else one.get("lid")
        other = parse_optional(str(named or ""))
        known = other is not None and other.is_person and other.server != address.server
        yield Member(
            address.canonical,
            other.canonical if known and other is not None else None,
            "admin" if one.get("admin") else "",
        )
