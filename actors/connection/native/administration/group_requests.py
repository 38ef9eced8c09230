"""Sends requests about groups over the native socket, and reads the answers.

The stanzas are those of whatsmeow (`group.go`) and Baileys (`Socket/groups.ts`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.administration import InvitedGroup, JoinedGroup
from actors.connection.native.identities.group_queries import group_address, query
from actors.connection.protocol.administration.group_administration import Answered
from actors.connection.protocol.administration.group_settings import ADD_MODES, settings_of
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.connection.abilities.administration import MemberAction
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.administration.group_administration import Named

_SERVER: Final = f"@{GROUP}"
_SPACE: Final = "w:g2"
_SWITCHES: Final = {
    "announce": ("not_announcement", "announcement"),
    "locked": ("unlocked", "locked"),
}


class NativeGroupRequests:
    """Implements `protocol.administration.group_administration.GroupRequests` over one socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def create(
        self, subject: str, people: Sequence[Named]
    ) -> tuple[Address, str, Sequence[Answered]]:
        """See the port."""
        create = Node("create", {"subject": subject}, _participants(people))
        group = _part(await self._set(_SERVER, create), "group")
        return _chat_of(group), group.attrs.get("subject", ""), _answers(group)

    async def set(self, chat: Address, setting: str, value: Any) -> None:
        """See the port."""
        change = setting_node(setting, value)
        if setting == "description":
            change = await self._described(chat, value)
        await self._set(str(chat), change)

    async def change_members(
        self, chat: Address, action: MemberAction, people: Sequence[Named]
    ) -> Sequence[Answered]:
        """See the port."""
        reply = await self._set(str(chat), Node(action, {}, _participants(people)))
        return _answers(_part(reply, action))

    async def invite_code(self, chat: Address, *, revoke: bool) -> str:
        """See the port."""
        kind = "set" if revoke else "get"
        reply = await self._socket.request(iq(kind, _SPACE, (Node("invite"),), to=str(chat)))
        return _part(reply, "invite").attrs.get("code", "")

    async def invited(self, code: str) -> InvitedGroup:
        """See the port."""
        invite = Node("invite", {"code": code})
        reply = await self._socket.request(iq("get", _SPACE, (invite,), to=_SERVER))
        group = _part(reply, "group")
        return InvitedGroup(
            str(_chat_of(group)),
            group.attrs.get("subject", ""),
            settings_of(group).description,
            group.number("size") or len(group.children("participant")) or None,
        )

    async def join(self, code: str) -> JoinedGroup:
        """See the port."""
        reply = await self._set(_SERVER, Node("invite", {"code": code}))
        request = reply.child("membership_approval_request")
        group = _part(reply, "group") if request is None else request
        return JoinedGroup(str(_chat_of(group)), pending=request is not None)

    async def leave(self, chat: Address) -> None:
        """See the port."""
        await self._set(_SERVER, Node("leave", {}, (Node("group", {"id": str(chat)}),)))

    async def _set(self, to: str, change: Node) -> Node:
        return await self._socket.request(iq("set", _SPACE, (change,), to=to))

    async def _described(self, chat: Address, text: str) -> Node:
        """The request for another description, which names the one before it: WhatsApp refuses it otherwise."""
        group = _part(await self._socket.request(query(chat)), "group")
        before = group.child("description")
        previous = (
            {} if before is None or "id" not in before.attrs else {"prev": before.attrs["id"]}
        )
        attrs = {"id": f"3EB0{secrets.token_hex(9).upper()}", **previous}
        if not text:
            return Node("description", {**attrs, "delete": "true"})
        return Node("description", attrs, (Node("body", {}, text.encode()),))


def setting_node(setting: str, value: Any) -> Node:
    """The request for a setting, by its field of `GroupChange`; of a description the part without its ids."""
    if setting in _SWITCHES:
        return Node(_SWITCHES[setting][value])
    match setting:
        case "subject":
            return Node("subject", {}, value.encode())
        case "ephemeral":
            return Node("ephemeral", {"expiration": str(value)}) if value else Node("not_ephemeral")
        case "member_add_mode":
            return Node("member_add_mode", {}, ADD_MODES[value].encode())
        case "approval":
            join = Node("group_join", {"state": "on" if value else "off"})
            return Node("membership_approval_mode", {}, (join,))
    return Node("description", {}, (Node("body", {}, value.encode()),))


def _participants(people: Iterable[Named]) -> tuple[Node, ...]:
    return tuple(
        Node(
            "participant",
            {"jid": str(one.address)}
            | ({} if one.number is None else {"phone_number": str(one.number)}),
        )
        for one in people
    )


def _answers(part: Node) -> list[Answered]:
    named = ("jid", "phone_number", "lid")
    return [
        Answered(
            tuple(a for name in named if (a := parse_optional(one.attrs.get(name))) is not None),
            one.number("error") or 0,
        )
        for one in part.children("participant")
    ]


def _part(reply: Node, tag: str) -> Node:
    """The part of an answer. Raises `RequestFailed` where it lacks."""
    if (found := reply.child(tag)) is None:
        raise RequestFailed(0)
    return found


def _chat_of(node: Node) -> Address:
    """The group that a part of an answer names, by ``id`` or ``jid``. Raises `RequestFailed` where it names none."""
    if (found := group_address(node)) is None:
        raise RequestFailed(0)
    return found
