"""Writes incoming receipts to the session's inbox: from persons, group members and the account's own devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session


class ReceiptWriter:
    """Writes receipts, each inside the transaction of its stanza (G5)."""

    def __init__(self, session: Session, people: LidMapping, *, clock: Callable[[], float]) -> None:
        self._session = session
        self._people = people
        self._clock = clock

    def receipt(self, stanza: Node) -> StanzaResult:
        """Apply a receipt."""
        receipt = receipts.read(stanza)
        sender = parse_optional(stanza.attrs.get("from"))
        in_group = sender is not None and sender.server == GROUP
        member = parse_optional(stanza.attrs.get("participant"))
        if sender is None or (in_group and member is None and not stanza.children("participants")):
            nack = receipts.nack(stanza, receipts.UNPARSEABLE)
            return StanzaResult("receipt.unparseable", (nack,))
        if receipt.status == "retry":
            return StanzaResult("receipt.retry", task="resend")
        answers = (receipts.ack(stanza),)
        if (read := self._read_elsewhere(stanza, sender, member)) is not None:
            self._session.unread.read_elsewhere(str(read), receipt.message_ids)
            return StanzaResult("receipt.own_reading", answers)
        if in_group:
            return self._group_receipt(stanza, sender, answers)
        person = self._people.canonical(sender)
        if receipt.status is None or not sender.is_person or person == self._people.account:
            return StanzaResult("receipt.ignored", answers)
        at = receipt.at or int(self._clock())
        self._note(str(person), receipt.message_ids, receipt.status, at)
        return StanzaResult("receipt.stored", answers, news=True)

    def _read_elsewhere(
        self, stanza: Node, sender: Address, member: Address | None
    ) -> Address | None:
        """The chat of which another device of the account read messages; None for other receipts."""
        if stanza.attrs.get("type") not in receipts.OWN_READING:
            return None
        if sender.server == GROUP:
            return sender if member is not None and self._people.is_account(member) else None
        chat = parse_optional(stanza.attrs.get("recipient"))
        if chat is None or not self._people.is_account(sender):
            return None
        return self._people.canonical(chat)

    def _note(
        self, chat: str, message_ids: Sequence[str], status: Literal["delivered", "read"], at: int
    ) -> None:
        self._session.inbox.add_receipt(chat=chat, message_ids=message_ids, status=status, at=at)
        # Every device of the account gets it, also where another one sent the message, in the same words.
        for message_id in message_ids:
            if self._session.sent.plaintext(chat, message_id) is None:
                self._session.phone_statuses.add(
                    chat=chat,
                    sender=str(self._people.account),
                    message_id=message_id,
                    status=status,
                    at=at,
                )

    def _group_receipt(
        self, stanza: Node, chat: Address, answers: tuple[Node, ...]
    ) -> StanzaResult:
        """As in WhatsApp's clients a group has a message when all have it whom it was for."""
        news = False
        for named, receipt in receipts.of_members(stanza):
            member = parse_optional(named)
            if member is None or receipt.status not in ("delivered", "read"):
                continue
            person, at = self._people.canonical(member), receipt.at or int(self._clock())
            for message_id in receipt.message_ids:
                reached = self._session.groups.note_receipt(
                    str(chat), message_id, str(person), receipt.status
                )
                for status in reached:
                    news = True
                    self._note(str(chat), (message_id,), status, at)
        return StanzaResult("receipt.stored" if news else "receipt.noted", answers, news=news)

    def leave_out(self, chat: Address, gone: Iterable[Address], at: int) -> bool:
        """Wait for nobody of a group who left; whether a message is with all others now."""
        news = False
        for person in gone:
            for message_id, reached in self._session.groups.leave_out(str(chat), str(person)):
                for status in reached:
                    news = True
                    self._note(str(chat), (message_id,), status, at)
        return news
