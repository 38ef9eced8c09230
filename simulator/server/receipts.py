"""Handles clients' receipts and acks as the server: dequeues stanzas, forwards receipts, has retries encrypted again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.signal_endpoints import PHONE
from simulator.server import stanzas
from simulator.server.delivery.offline_queue import receipt_ids
from simulator.server.groups.group import is_group
from simulator.server.groups.member_receipts import MemberReceipt
from simulator.server.read_messages import OWN_RECEIPTS as READ_SELF
from simulator.server.read_messages import READ_RECEIPTS
from simulator.wire.protocol_library import (
    GROUP_SERVER,
    JID,
    PN_SERVER,
    SERVER,
    Node,
    jid_of,
    namespace,
    text_of,
)

if TYPE_CHECKING:
    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.people import People
    from simulator.contacts.sent_messages import SentMessages
    from simulator.media.reuploads import Reuploads
    from simulator.server.companions import Companion, Companions, DeviceKey
    from simulator.server.delivery.answer_deadlines import AnswerDeadlines
    from simulator.server.delivery.offline_queue import OfflineQueue
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.member_receipts import GroupReceipts
    from simulator.server.read_messages import ReadMessages
    from simulator.server.rules.privacy import Privacy
    from simulator.server.rules.remarks import Remarks
    from simulator.store import Store
    from simulator.wire.connection import Connection

_MARKS: Final = {
    "inactive": ("received",),
    "": ("received", "delivered"),
    "read": ("received", "delivered", "read"),
    "played": ("received", "delivered", "read"),
}
"""Ticks that a message's author sees, by the type of receipt: `inactive` is of a device that is not shown
online, and no app shows it (whatsmeow `receipt.go` SetForceActiveDeliveryReceipts)."""


class Receipts:
    """Handles receipts: removes entries from the queue, forwards them, and acknowledges them."""

    def __init__(
        self,
        *,
        store: Store,
        queue: OfflineQueue,
        people: People,
        companions: Companions,
        sent: SentMessages,
        contact_behaviour: ContactBehaviour,
        media_retries: Reuploads,
        deadlines: AnswerDeadlines,
        privacy: Privacy,
        remarks: Remarks,
        read_messages: ReadMessages,
        group_receipts: GroupReceipts,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._queue = queue
        self._people = people
        self._companions = companions
        self._sent = sent
        self._contact_behaviour = contact_behaviour
        self._media_retries = media_retries
        self._deadlines = deadlines
        self._privacy = privacy
        self._remarks = remarks
        self._read_messages = read_messages
        self._group_receipts = group_receipts
        self._switchboard = switchboard

    def acked(self, connection: Connection, companion: Companion, ack: Any) -> None:
        """Handles the ack of one stanza."""
        if self._deadlines.settles(connection, companion, ack, text_of(ack, "id")):
            self._removed(connection, self._queue.acknowledge(companion.key, ack))

    def _removed(self, connection: Connection, seqs: list[int]) -> None:
        if seqs:
            self._store.after_commit(lambda: self._deadlines.answered(connection, seqs))

    def handle(self, connection: Connection, companion: Companion, receipt: Any) -> None:
        """Handles a receipt within the caller's transaction; the ack leaves after its commit."""
        kind = text_of(receipt, "type")
        to = jid_of(receipt, "to")
        group = to if to is not None and to.server == GROUP_SERVER else None
        self._settle(connection, companion, kind, receipt)
        # In a group the receipt is for a member's message.
        author = to if group is None else jid_of(receipt, "participant")
        person = self._people.at(author)
        if kind == "server-error":
            self._media_retries.answer(companion, receipt)
        elif person is not None:
            if kind == "retry":
                self._pass_retry(companion, person.number, author, receipt, group)
            elif person.number != companion.number:
                ids, about = receipt_ids(receipt), {"author": author, "group": group}
                if kind in (*READ_RECEIPTS, *READ_SELF):
                    self._note_read(companion.key, ids, kind, **about)
                if kind in _MARKS and not self._is_hidden(companion.number, kind, group):
                    self._forward(companion.key, ids, kind, **about)
        attrs: dict[str, Any] = {
            "class": "receipt",
            "id": text_of(receipt, "id"),
            "from": SERVER if to is None else to,
        }
        if kind:
            attrs["type"] = kind
        if group is not None and author is not None:
            attrs["participant"] = author
        connection.send(Node("ack", attrs))

    def _settle(
        self, connection: Connection, companion: Companion, kind: str, receipt: Any
    ) -> None:
        """Stanzas that the receipt removes from the queue."""
        for message_id in receipt_ids(receipt):
            if self._deadlines.settles(connection, companion, receipt, message_id):
                self._removed(connection, self._queue.receive(companion.key, kind, message_id))
        if kind == "retry":
            message_id = text_of(receipt, "id")
            self._queue.note_retry(companion.key, message_id, stanzas.retry_count(receipt))

    def _pass_retry(
        self, companion: Companion, number: str, author: Any, receipt: Any, group: Any
    ) -> None:
        """Passes a retry receipt to the simulated device or the companion that sent the message."""
        self._store.count(companion.number, "retries")
        target = self._companions.get(number, author.device)
        if target is None:
            retry = receipt.get_child("retry")
            message_id = text_of(retry, "id") if retry is not None else ""
            self._contact_behaviour.answer_retry(
                (number, author.device), companion, message_id or text_of(receipt, "id"), receipt
            )
            return
        stanza = self._from(companion.key, author, group, text_of(receipt, "id"), "retry")
        stanza.content = receipt.content
        if "recipient" in receipt.attrs:
            stanza.attrs["recipient"] = receipt.attrs["recipient"]
        self._switchboard.deliver(target.key, stanza)

    def _from(self, reader: DeviceKey, author: Any, group: Any, message_id: str, kind: str) -> Any:
        """Builds a device's receipt for the author, in the addressing mode of the message."""
        member = self._member(reader, author)
        stanza = stanzas.receipt(group or member, message_id, kind, time.time())
        if group is not None:
            stanza.attrs["participant"] = member
        return stanza

    def _member(self, reader: DeviceKey, author: Any) -> Any:
        """Returns a device's address in the addressing mode of the author's."""
        number, device = reader
        return self._people.named(number).address(namespace(author) or PN_SERVER, device)

    def read_on_phone(self, number: str, message_id: str) -> bool:
        """Marks a message as read by the account's phone; returns whether there is such a message.

        The author gets a receipt as the privacy settings allow, the account's linked devices always.
        """
        row = self._store.row("SELECT * FROM said WHERE id = ? AND number != ?", message_id, number)
        if row is None:
            return False
        chat, reader = row["recipient"], (number, PHONE)
        group = JID(chat.partition("@")[0], GROUP_SERVER) if is_group(chat) else None
        author = self._people.named(row["number"]).address(row["addressing"])
        hidden = group is None and self._privacy.hides_reading(number)
        kind = "read-self" if hidden else "read"
        self._note_read(reader, [message_id], kind, author=author, group=group)
        if not hidden:
            self._forward(reader, [message_id], kind, author=author, group=group)
        return True

    def _is_hidden(self, number: str, kind: str, group: Any) -> bool:
        """Returns whether the account hides that it read the message, and its client sent that type.

        Settings keep that from persons, never from a group (whatsapp-rust `receipt.rs`
        build_read_receipt_node).
        """
        if kind not in READ_RECEIPTS or group is not None:
            return False
        hidden = self._privacy.hides_reading(number)
        if hidden:
            self._remarks.add(number, "read_receipts")
        return hidden

    def _note_read(
        self, reader: DeviceKey, ids: list[str], kind: str, *, author: Any, group: Any
    ) -> None:
        """Sends the account's other devices a receipt for that chat."""
        number, person = reader[0], self._people.at(author)
        assert person is not None
        self._read_messages.note(number, person.number if group is None else str(group), ids, kind)
        for target in self._companions.of(number):
            if target.key == reader:
                continue
            for message_id in ids:
                stanza = self._from(reader, author, group, message_id, kind)
                if group is None:
                    stanza.attrs["recipient"] = JID(author.user, author.server)
                self._switchboard.deliver(target.key, stanza)

    def _forward(
        self, reader: DeviceKey, ids: list[str], kind: str, *, author: Any, group: Any
    ) -> None:
        """Marks the messages, and forwards the receipt to their author's devices."""
        person = self._people.at(author)
        assert person is not None
        for column in _MARKS[kind]:
            self._sent.mark(person.number, ids, column, time.time())
        if group is not None:
            member = self._member(reader, author)
            for message_id in ids:
                receipts = [MemberReceipt(member, kind)]
                self._group_receipts.send(person.number, message_id, group, receipts)
            return
        for target in self._companions.of(person.number):
            for message_id in ids:
                self._switchboard.deliver(
                    target.key, self._from(reader, author, None, message_id, kind)
                )
