"""Decrypts companions' messages for simulated people, stores them in inboxes (SQLite), sends receipts or retry receipts."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.contacts.people import RECEIPTS
from simulator.contacts.signal_endpoints import PHONE, SignalEndpoint, UndecryptableError
from simulator.phones import adv
from simulator.server import stanzas
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import PreKeySignalMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator.contacts.content_decryption import SealedContent
    from simulator.contacts.inbox import ContactInboxes
    from simulator.contacts.people import People, Person
    from simulator.contacts.sent_messages import SentMessages
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.rules.chat_timers import ChatTimers
    from simulator.store import Store

log = structlog.get_logger()

# whatsmeow and Baileys stop asking, and answering, after the fifth time.
MAX_RETRIES: Final = 5
MISNAMED_COPIES: Final = "misnamed_copies"


class MessageHandler:
    """Receives for the simulated devices of all people. Each method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        inbox: ContactInboxes,
        sent: SentMessages,
        sealed_content: SealedContent,
        chat_timers: ChatTimers,
        switchboard: StanzaRouter,
        peer_message: Callable[[Companion, str, Any], None],
    ) -> None:
        """`peer_message` gets messages of companions to their own phone: the id and the message."""
        self._store = store
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._inbox = inbox
        self._sent = sent
        self._sealed_content = sealed_content
        self._chat_timers = chat_timers
        self._switchboard = switchboard
        self._peer_message = peer_message

    def receive(
        self,
        endpoint: SignalEndpoint,
        sender: Companion,
        message_id: str,
        enc: Any,
        *,
        chat: Person,
        device_identity: bytes | None,
        server: str,
        name: str,
    ) -> None:
        """Decrypts a message of a companion to one of the simulated devices.

        A decrypted message is stored and answered by the receipts that the person is set to send; a
        failure by a retry receipt to the sending device.
        """
        own_copy = endpoint.number == sender.number
        device = (endpoint.number, endpoint.device)
        kind, sealed = str(enc.attrs.get("type", "")), enc.content_bytes()
        fingerprint = hashlib.sha256(sealed).digest()
        if self._inbox.again(device, sender.number, message_id, fingerprint):
            # The same bytes: a ratchet decrypts them only once, and a device drops them
            # without a retry receipt.
            if not own_copy:
                self._receipts(endpoint, sender.number, message_id, server)
            return
        try:
            if kind == "pkmsg":
                self.check_identity(sender, sealed, device_identity)
            plaintext = endpoint.decrypt(sender.key, kind, sealed)
            message = Message.FromString(plaintext)
        except Exception as error:  # noqa: BLE001 - any failure leads to a retry receipt
            code = getattr(error, "code", "malformed")
            log.info("undecryptable", action="undecryptable", code=code, own_copy=own_copy)
            self._request_retry(endpoint, sender, message_id, chat=chat, server=server, code=code)
            return
        if own_copy:
            if endpoint.device == PHONE:
                self._peer_message(sender, message_id, message)
            # Companions send copies to their account's phone only in this wrapper.
            self._check_destination(message, sender, chat, server)
            message = message.device_sent_message.message
        item = self._sealed_content.inbox_item(message, sender.number)
        more: dict[str, Any] = {"chat": chat.number, "ciphertext": fingerprint, "name": name}
        if item["kind"] and self._inbox.add(device, sender.number, message_id, **item, **more):
            self._chat_timers.observe(message, chat.number, sender.number, message_id)
        if not own_copy:
            self._receipts(endpoint, sender.number, message_id, server)

    def hear(
        self, sender: Person, recipient: Person, message_id: str, message: Any, server: str
    ) -> None:
        """Stores a message of an account's phone to a simulated person, and sends receipts.

        They go to the phone and to all companions of the account: a receipt names no sending device
        (Baileys `messages-recv.ts` handleReceipt: without `recipient` it is for a message of
        the account).
        """
        item = self._sealed_content.inbox_item(message, sender.number)
        item["kind"] = item["kind"] or "unknown"
        for endpoint in self._endpoints.of(recipient.number).values():
            self._inbox.add(
                (recipient.number, endpoint.device),
                sender.number,
                message_id,
                chat=recipient.number,
                name=sender.name,
                **item,
            )
            self._receipts(endpoint, sender.number, message_id, server)
        now, kinds = time.time(), RECEIPTS[recipient.receipts]
        marks = {"received": recipient.delivered_after} if kinds else {}
        if "" in kinds:
            marks["delivered"] = recipient.delivered_after
        if "read" in kinds:
            marks["read"] = recipient.read_after
        for column, delay in marks.items():
            self._sent.mark(sender.number, [message_id], column, now + delay)

    def _check_destination(
        self, message: Any, sender: Companion, chat: Person, server: str
    ) -> None:
        """Counts a copy that names another chat than its stanza; it is stored all the same.

        whatsmeow, send.go `marshalMessage`; the server cannot decrypt it.
        """
        if message.HasField("device_sent_message"):
            destination = message.device_sent_message.destination_jid
            if destination != str(chat.address(server)):
                self._store.count(sender.number, MISNAMED_COPIES)

    def check_identity(
        self, sender: Companion, sealed: bytes, device_identity: bytes | None
    ) -> None:
        """Checks that a `pkmsg` is from the identity key that the account's phone signed."""
        first = PreKeySignalMessage.decode(sealed)
        if first.identity_key != sender.identity:
            raise UndecryptableError("untrusted-identity")
        if device_identity is None:
            raise UndecryptableError("missing-device-identity")
        phone = self._endpoints.phone(sender.number).identity.public
        if not adv.vouched(device_identity, sender.identity, phone):
            raise UndecryptableError("bad-device-identity")

    def _receipts(
        self, endpoint: SignalEndpoint, account: str, message_id: str, server: str
    ) -> None:
        """Sends receipts to all companions of the account: delivered by each device, read by the phone."""
        person, now = self._people.named(endpoint.number), time.time()
        address = person.address(person.addressing or server, endpoint.device)
        for companion in self._companions.of(account):
            for kind, delay in confirmations(person, endpoint.device):
                stanza = stanzas.receipt(address, message_id, kind, now + delay)
                self._switchboard.deliver(companion.key, stanza, delay)

    def count_failure(self, endpoint: SignalEndpoint, sender: Companion, message_id: str) -> int:
        """Counts a failed decryption of a message; returns the number of failures so far."""
        return self._store.number(
            "INSERT INTO undecrypted (number, own_device, sender, device, id, count)"
            " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
            " RETURNING count",
            endpoint.number,
            endpoint.device,
            *sender.key,
            message_id,
        )

    def _request_retry(
        self,
        endpoint: SignalEndpoint,
        sender: Companion,
        message_id: str,
        *,
        chat: Person,
        server: str,
        code: str,
    ) -> None:
        count = self.count_failure(endpoint, sender, message_id)
        if count > MAX_RETRIES:
            return
        now = time.time()
        person = self._people.named(endpoint.number)
        # From the second time on the receipt brings keys for a new session (WhatsApp Web,
        # whatsmeow `retry.go`); at once when there is no session at all (whatsapp-rust
        # `protocol/retry.rs` should_include_keys).
        keys = endpoint.bundle() if count > 1 or code == "no-session" else None
        server = person.addressing or server
        stanza = stanzas.receipt(
            person.address(server, endpoint.device),
            message_id,
            "retry",
            now,
            stanzas.retry_content(
                message_id, count, endpoint.registration, now, keys=keys, adv=endpoint.adv
            ),
        )
        if endpoint.number == sender.number:
            stanza.attrs["recipient"] = chat.address(server)
        self._store.count(endpoint.number, "retries_sent")
        self._switchboard.deliver(sender.key, stanza)


def confirmations(person: Person, device: int) -> Iterator[tuple[str, float]]:
    """Returns the types of receipts that a device sends, each with its delay in seconds.

    Only the phone sends `read`.
    """
    for kind in RECEIPTS[person.receipts]:
        if kind != "read":
            yield kind, person.delivered_after
        elif device == PHONE:
            yield kind, person.read_after
