"""Sends read receipts for messages that the account read: to senders or, by privacy setting, to own devices only.

``<receipt type="read">`` names messages of one author in one chat; the account's other devices learn it
from the server. An account that shows nobody what it read sends ``read-self``, which
reaches those devices alone (whatsmeow, receipt.go; Baileys, messages-send.ts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.session_transactions import transaction
from actors.connection.protocol.wire_format.nodes import Node, iq
from actors.connection.session.chats.unread import readings

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.session.chats.unread import ReadBatch
    from actors.connection.session.session import Session
    from actors.messages.content import ReadMark

RECEIPTS_SHOWN: Final = "all"
"""The value of the privacy setting ``readreceipts`` of an account that shows what it read."""


class ReadMarks:
    """Marks messages as read over one socket; each mark may be repeated without harm.

    An owner whose epoch is over marks nothing (G6). Whether the account shows what it read is asked
    once on a socket, and again after it changed; as long as that is not known nothing is sent.
    """

    def __init__(self, session: Session, socket: Socket) -> None:
        self._session = session
        self._socket = socket
        self._kind: str | None = None

    def invalidate(self) -> None:
        """Ask for the privacy settings before the next mark: they changed."""
        self._kind = None

    async def send(self, chat: Address, mark: ReadMark, at: float) -> None:
        """Return once the receipts were handed to the network. Raises `SendError`."""
        with send_errors():
            kind = self._kind or await self._query()
            async with transaction(self._session, self._socket):
                unread = self._session.unread.marked(str(chat), mark)
            stanzas = [receipt(each, kind, int(at)) for each in readings(unread)]
            if stanzas:
                await self._socket.send(*stanzas)
            # Only now: what a crash cuts off is marked once more.
            async with transaction(self._session, self._socket):
                self._session.unread.forget(each.number for each in unread)

    async def _query(self) -> str:
        reply = await self._socket.request(iq("get", "privacy", (Node("privacy"),)))
        self._kind = kind_of(reply)
        return self._kind


def kind_of(privacy: Node) -> str:
    """The type of the account's read receipts, by WhatsApp's answer to the query of its privacy."""
    settings = privacy.child("privacy")
    values = {
        one.attrs.get("name"): one.attrs.get("value")
        for one in (() if settings is None else settings.children("category"))
    }
    return "read" if values.get("readreceipts", RECEIPTS_SHOWN) == RECEIPTS_SHOWN else "read-self"


def receipt(reading: ReadBatch, kind: str, at: int) -> Node:
    """The receipt of that kind for these messages; `at` is when they were read."""
    first, *others = reading.message_ids
    attrs = {"id": first, "type": kind, "to": reading.origin, "t": str(at)}
    if reading.author:
        attrs["participant"] = reading.author
    items = [Node("item", {"id": number}) for number in others]
    return Node("receipt", attrs, (Node("list", {}, items),) if items else None)
