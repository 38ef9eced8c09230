"""Queries groups through the whatsmeow program, and converts the answers to group members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.administration import GroupSettings
from actors.connection.protocol.identities.addresses import GROUP, LID, Address, parse_optional
from actors.connection.protocol.identities.group_members import (
    MOST_MEMBERS,
    GroupMembers,
    Member,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from actors.connection.whatsmeow.login_channel import Link

ADD_MODES: Final = {"admins": "admin_add", "all": "all_member_add"}
"""WhatsApp's words for who adds members."""


class ByProgram:
    """Asks for groups over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def one(self, chat: Address) -> GroupMembers:
        """The members of a group. Raises what `Link.call` raises."""
        return members_of((await self._link.call("group", chat=str(chat))).header)

    async def all(self) -> dict[Address, GroupMembers]:
        """Those of all groups that the account is in. Raises what `Link.call` raises."""
        answer = await self._link.call("groups")
        found = {}
        for group in answer.header.get("groups") or ():
            chat = parse_optional(str(group.get("chat", "")))
            if chat is not None and chat.server == GROUP:
                found[chat] = members_of(group)
        return found


def members_of(group: Mapping[str, Any]) -> GroupMembers:
    """The members in the program's description of a group."""
    members = tuple(_members(group.get("members") or ()))[:MOST_MEMBERS]
    by_lid = group.get("addressing") == "lid"
    settings = _settings(group)
    subject, expires = str(group.get("subject", "")), settings.ephemeral
    return GroupMembers(subject, "lid" if by_lid else "pn", members, expires, settings)


def _settings(group: Mapping[str, Any]) -> GroupSettings:
    timer = group.get("timer")
    return GroupSettings(
        description=str(group.get("description") or ""),
        announce=bool(group.get("announce")),
        locked=bool(group.get("locked")),
        ephemeral=timer if isinstance(timer, int) else 0,
        member_add_mode="all" if group.get("member_add_mode") == ADD_MODES["all"] else "admins",
        approval=bool(group.get("approval")),
    )


def _members(group: Iterable[Mapping[str, Any]]) -> Iterator[Member]:
    for one in group:
        address = parse_optional(str(one.get("address", "")))
        if address is None or not address.is_person:
            continue
        named = one.get("phone") if address.server == LID else one.get("lid")
        other = parse_optional(str(named or ""))
        other_kind = other is not None and other.is_person and other.server != address.server
        yield Member(
            address.canonical,
            other.canonical if other_kind and other is not None else None,
            "admin" if one.get("admin") else "",
        )
