"""A handler of what the program delivers, on a real session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from actors.connection.engine import EngineEvents
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import MemberLists
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.receive.messages.message_receiver import PHONE_DELAY
from actors.connection.whatsmeow.delivery_handler import DeliveryHandler
from actors.connection.whatsmeow.program.frames import Frame
from actors.connection.whatsmeow.to_nodes import delivery_of

if TYPE_CHECKING:
    from actors.connection.engine import InboxMessage
    from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
    from actors.connection.session.session import Session

CONTACT = "15550100002@s.whatsapp.net"
NOW = 1000.0


class Deliveries:
    """A handler of what the program delivers, on a session of its own."""

    def __init__(self, session: Session, *, hold: bool = False) -> None:
        self.session = session
        people = LidMapping(session, Address.parse("15550100001:4@s.whatsapp.net"), None)
        nobody = cast("Any", None)
        rosters = MemberLists(session, people, nobody, nobody, on_inbox=EngineEvents().on_inbox)
        self.handler = DeliveryHandler(session, people, rosters, clock=lambda: NOW, hold=hold)

    async def take(self, what: str, body: bytes = b"", **header: Any) -> StanzaResult:
        async with self.session.transaction():
            return await self.handler.take(delivery_of(1, what, Frame(header, body)))

    async def comes_empty(self, reason: str = "unavailable", **header: Any) -> StanzaResult:
        """A message comes without its content."""
        named: dict[str, Any] = {"message_id": "AD", "chat": CONTACT, "sender": CONTACT, "at": 900}
        return await self.take(
            "undecryptable", **named | {"push_name": "Ana", "kind": reason} | header
        )

    async def asks(self, request: str = "R") -> None:
        """The phone is asked for what is due."""
        due = self.session.placeholders.due(NOW + PHONE_DELAY)
        assert due is not None
        async with self.session.transaction():
            assert self.session.placeholders.note_request(due, request, NOW + 30)

    async def answers(self, info: Any, request: str = "R") -> StanzaResult:
        """The phone answers, or has no such message."""
        body = b"" if info is None else info.SerializeToString()
        return await self.take("resent", body, request_id=request)

    def messages(self) -> list[InboxMessage]:
        return self.session.inbox.pending("message", 10)
