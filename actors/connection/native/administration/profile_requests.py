"""Sends requests about pictures, blocked people and the own text over the native socket, and reads the answers.

The stanzas are those of whatsmeow (`user.go`, `group.go`) and Baileys (`Socket/chats.ts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.connection.engine import UNSUPPORTED, SendError
from actors.connection.native.identities import usync
from actors.connection.protocol.administration.profile_administration import FoundPicture
from actors.connection.protocol.identities.addresses import LID, SERVER, Address, parse_optional
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.administration.group_administration import Named

_PICTURES: Final = "w:profile:picture"
_NONE: Final = 404


class NativeProfileRequests:
    """Implements `protocol.administration.profile_administration.ProfileRequests` over one socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def picture(self, chat: Address) -> FoundPicture:
        """See the port."""
        wanted = Node("picture", {"type": "image", "query": "url"})
        found = (await self._socket.request(_picture("get", chat, (wanted,)))).child("picture")
        if found is None or "url" not in found.attrs:
            raise RequestFailed(_NONE)
        return FoundPicture(found.attrs.get("id", ""), found.attrs["url"])

    async def set_picture(self, group: Address | None, jpeg: bytes | None) -> None:
        """See the port."""
        content = () if jpeg is None else (Node("picture", {"type": "image"}, jpeg),)
        await self._socket.request(_picture("set", group, content))

    async def blocked(self) -> Sequence[Address]:
        """See the port."""
        reply = await self._socket.request(iq("get", "blocklist", ()))
        named = (
            parse_optional(item.attrs.get("pn_jid") or item.attrs.get("jid"))
            for part in reply.children("list")
            for item in part.children("item")
        )
        return [one for one in named if one is not None and one.is_person]

    async def block(self, person: Named, *, blocked: bool) -> Address | None:
        """See the port."""
        lid, number = person.address, person.number
        by_number = lid.server != LID
        if by_number:
            lid, number = await self._lid_of(person.address), person.address
        attrs = {"jid": str(lid), "action": "block" if blocked else "unblock"}
        if blocked and number is not None:
            attrs["pn_jid"] = str(number)
        await self._socket.request(iq("set", "blocklist", (Node("item", attrs),)))
        return lid if by_number else None

    async def about(self, account: Address) -> str:
        """See the port."""
        return usync.text_answer(await self._socket.request(usync.text_query(account)))

    async def set_about(self, about: str) -> None:
        """See the port."""
        await self._socket.request(iq("set", "status", (Node("status", {}, about.encode()),)))

    async def set_name(self, name: str) -> None:  # noqa: ARG002 - the port's
        """The name is app state, which this engine has not."""
        raise SendError(UNSUPPORTED, permanent=True)

    async def _lid_of(self, number: Address) -> Address:
        """The LID of a phone number. Raises `RequestFailed` with 404 where there is none."""
        listed = usync.devices_answer(await self._socket.request(usync.devices_query([number])))
        lids = (each.lid for each in listed.values() if each.lid is not None)
        if (lid := next(lids, None)) is None:
            raise RequestFailed(_NONE)
        return lid.canonical


def _picture(kind: str, target: Address | None, content: Sequence[Node]) -> Node:
    query = iq(kind, _PICTURES, content, to=SERVER)
    named = {} if target is None else {"target": str(target)}
    return Node(query.tag, {**query.attrs, **named}, query.content)
