"""Reports offered and terminated calls (native) to the connection, rejects calls; stores callers' LIDs (session file)."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from actors.connection.abilities.port import LONGEST_CALL_ID, Call
from actors.connection.engine import NotConnected, SendError
from actors.connection.protocol.identities.addresses import GROUP, parse_optional
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import Node
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping

MAX_RINGING_CALLS: Final = 100
"""Calls that may ring at once; of more, the first can be refused no more."""

_STATES: Final = {"offer": "offered", "offer_notice": "offered", "terminate": "ended"}


def learn_caller(people: LidMapping, stanza: Node) -> bool:
    """Note the caller's number and LID, inside a transaction; True where that is news."""
    for child in stanza.children():
        creator = parse_optional(child.attrs.get("call-creator"))
        if creator is not None and creator.is_person:
            other = child.attrs.get("caller_pn") or child.attrs.get("caller_lid")
            return people.learn(creator, parse_optional(other))
    return False


class RingingCalls:
    """The calls of one socket. Each is reported as it comes; nothing of it is on disk."""

    def __init__(
        self, people: LidMapping, socket: Socket, on_call: Callable[[Call], Awaitable[None]]
    ) -> None:
        self._people, self._socket, self._on_call = people, socket, on_call
        self._callers = BoundedMap[str, "Address"](MAX_RINGING_CALLS)

    async def report(self, stanza: Node) -> None:
        """Tell of a call that rings, or is over; other stanzas of calls are about its sound."""
        for child in stanza.children():
            creator = parse_optional(child.attrs.get("call-creator"))
            id_ = child.attrs.get("call-id", "")
            if child.tag not in _STATES or creator is None or not 0 < len(id_) <= LONGEST_CALL_ID:
                continue
            if not creator.is_person or self._people.is_account(creator):
                continue
            if _STATES[child.tag] == "ended":
                self._callers.pop(id_, None)
            else:
                self._remember(id_, creator)
            await self._on_call(self._call(stanza, child, id_, creator))

    async def reject(self, id_: str) -> None:
        """Refuse a call; WhatsApp reports it to the account's other devices. Raises `SendError`: `unknown_call`."""
        caller = self._callers.get(id_)
        if caller is None:
            raise SendError("unknown_call", permanent=True)
        named = {"call-id": id_, "call-creator": str(caller), "count": "0"}
        own = {"id": secrets.token_hex(8).upper(), "from": str(self._people.account)}
        try:
            await self._socket.send(
                Node("call", {**own, "to": str(caller)}, (Node("reject", named),))
            )
        except ConnectionLost:
            raise NotConnected from None
        self._callers.pop(id_, None)

    def _remember(self, id_: str, creator: Address) -> None:
        self._callers[id_] = creator.canonical

    def _call(self, stanza: Node, child: Node, id_: str, creator: Address) -> Call:
        group = parse_optional(child.attrs.get("group-jid"))
        caller = self._people.canonical(creator)
        return Call(
            id_,
            str(caller),
            stanza.number("t") or int(time.time()),
            "offered" if _STATES[child.tag] == "offered" else "ended",
            video=child.child("video") is not None or child.attrs.get("media") == "video",
            group=str(group) if group is not None and group.server == GROUP else None,
            **self._people.naming(caller),
        )
