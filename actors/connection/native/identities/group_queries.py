"""Queries WhatsApp over a socket for one group or all groups of the account; returns subject and members of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.identities.group_members import GroupMembers, UnknownGroup, read
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket


def query(chat: Address) -> Node:
    """Ask for one group."""
    return iq("get", "w:g2", (Node("query", {"request": "interactive"}),), to=str(chat))


def query_all() -> Node:
    """Ask for all groups that the account is in."""
    wanted = Node("participating", {}, (Node("participants"), Node("description")))
    return iq("get", "w:g2", (wanted,), to=f"@{GROUP}")


def group_address(group: Node) -> Address | None:
    """The address of a ``<group>``, whose id may be without its server; an answer to joining has a ``jid``."""
    named = group.attrs.get("id") or group.attrs.get("jid", "")
    address = parse_optional(named if "@" in named else f"{named}@{GROUP}")
    return address if address is not None and address.user and address.server == GROUP else None


class OverSocket:
    """Asks for groups over one socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def one(self, chat: Address) -> GroupMembers:
        """As `MembersSource.one`."""
        group = (await self._socket.request(query(chat))).child("group")
        if group is None:
            raise UnknownGroup
        return read(group)

    async def all(self) -> dict[Address, GroupMembers]:
        """As `MembersSource.all`."""
        reply = await self._socket.request(query_all())
        return {
            chat: read(node)
            for part in reply.children("groups")
            for node in part.children("group")
            if (chat := group_address(node)) is not None
        }
