"""What the people whom the simulator plays do: say, receive, send receipts, ask again."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator import adv, stanzas
from simulator.endpoints import PHONE, Bundle, Endpoint, Endpoints, UndecryptableError
from simulator.inbox import Inbox, content_of
from simulator.protocol import LID_SERVER, PN_SERVER, Message, Node, PreKeySignalMessage

if TYPE_CHECKING:
    from simulator.companions import Companion, Companions
    from simulator.people import People, Person
    from simulator.prekeys import Prekeys
    from simulator.store import Store
    from simulator.switchboard import Switchboard

log = structlog.get_logger()

# whatsmeow and Baileys stop asking after the fifth time.
MAX_RETRIES: Final = 5


class NoCompanionError(Exception):
    """The account has no linked device that could receive."""


class Contacts:
    """All people's phones. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        endpoints: Endpoints,
        companions: Companions,
        prekeys: Prekeys,
        switchboard: Switchboard,
    ) -> None:
        self._store = store
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._prekeys = prekeys
        self._switchboard = switchboard
        self.inbox = Inbox(store)

    def say(self, number: str, to: str, text: str, addressing: str = "pn") -> str:
        """Sends a text to every companion of `to` and, as a copy, to the speaker's own.

        Returns the message id. Raises NoCompanionError when neither has a linked device: between
        two phones that are both played here there is nothing to simulate.
        """
        sender, recipient = self._people.named(number), self._people.named(to)
        message_id = f"3EB0{secrets.token_hex(9).upper()}"
        server = LID_SERVER if addressing == "lid" else PN_SERVER
        now = time.time()
        devices = self._companions.of(to)
        own = [one for one in self._companions.of(number) if number != to]
        if not devices and not own:
            raise NoCompanionError
        self._store.execute(
            "INSERT INTO said (number, recipient, id, text, addressing, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            number,
            to,
            message_id,
            text,
            server,
            now,
        )
        phone = self._endpoints.phone(number)
        plaintext = Message(conversation=text).SerializeToString()
        for companion in devices:
            kind, sealed = self._encrypt(phone, companion, plaintext)
            self._switchboard.deliver(
                companion.key,
                stanzas.message(
                    sender,
                    PHONE,
                    message_id,
                    [stanzas.enc(kind, sealed)],
                    server=server,
                    now=now,
                ),
            )
        if own:
            self.inbox.keep(
                to,
                number,
                message_id,
                chat=to,
                kind="text",
                text=text,
                ciphertext=b"",
            )
            copy = Message()
            copy.device_sent_message.destination_jid = str(recipient.address(server))
            copy.device_sent_message.message.conversation = text
            for companion in own:
                kind, sealed = self._encrypt(phone, companion, copy.SerializeToString())
                self._switchboard.deliver(
                    companion.key,
                    stanzas.own_message(
                        sender,
                        PHONE,
                        recipient,
                        message_id,
                        [stanzas.enc(kind, sealed)],
                        server=server,
                        now=now,
                    ),
                )
        return message_id

    def receive(
        self,
        endpoint: Endpoint,
        sender: Companion,
        message_id: str,
        enc: Any,
        *,
        chat: Person,
        device_identity: bytes | None,
        server: str,
    ) -> None:
        """Decrypts what a companion sent to one of the played devices.

        What reads is kept and answered by receipts as the person is set to; what does not is
        answered by a retry receipt to the device that sent it.
        """
        own_copy = endpoint.number == sender.number
        kind, sealed = str(enc.attrs.get("type", "")), enc.content_bytes()
        fingerprint = hashlib.sha256(sealed).digest()
        if self.inbox.again(endpoint.number, sender.number, message_id, fingerprint):
            # The very same bytes: a ratchet reads them only once, and a person's device drops
            # them without asking again.
            self._receipts(endpoint, sender, message_id, server, silent=own_copy)
            return
        try:
            if kind == "pkmsg":
                self._check_identity(sender, sealed, device_identity)
            plaintext = endpoint.decrypt(sender.key, kind, sealed)
            message = Message.FromString(plaintext)
        except Exception as error:  # noqa: BLE001 - whatever breaks, a device asks again
            code = getattr(error, "code", "malformed")
            log.info("undecryptable", action="undecryptable", code=code, own_copy=own_copy)
            self._ask_again(endpoint, sender, message_id, chat, server)
            return
        what, text = content_of(message, own_copy=own_copy)
        if what is not None:
            self.inbox.keep(
                endpoint.number,
                sender.number,
                message_id,
                chat=chat.number,
                kind=what,
                text=text,
                ciphertext=fingerprint,
            )
        self._receipts(endpoint, sender, message_id, server, silent=own_copy)

    def answer_retry(
        self, number: str, companion: Companion, message_id: str, receipt: Any
    ) -> bool:
        """Encrypts a message anew for the device that could not read it, under the same id.

        With keys in the receipt, or from the second time on, over a new session. Returns whether
        the person had said such a message.
        """
        said = self._store.row(
            "UPDATE said SET retries = retries + 1 WHERE number = ? AND id = ?"
            " RETURNING recipient, text, addressing, retries",
            number,
            message_id,
        )
        if said is None:
            return False
        retry = receipt.get_child("retry")
        count = int(str(retry.attrs.get("count", "1"))) if retry is not None else 1
        if count > MAX_RETRIES:
            return True
        keys = self._prekeys.from_retry(companion, receipt)
        sender = self._people.named(number)
        phone = self._endpoints.phone(number)
        fresh = keys is not None or count > 1
        own_copy = number == companion.number
        recipient = self._people.named(said["recipient"])
        message = Message()
        if own_copy:
            message.device_sent_message.destination_jid = str(recipient.address(said["addressing"]))
            message.device_sent_message.message.conversation = said["text"]
        else:
            message.conversation = said["text"]
        kind, sealed = self._encrypt(
            phone, companion, message.SerializeToString(), bundle=keys, fresh=fresh
        )
        content = [stanzas.enc(kind, sealed, count)]
        server, now = said["addressing"], time.time()
        stanza = (
            stanzas.own_message(
                sender, PHONE, recipient, message_id, content, server=server, now=now
            )
            if own_copy
            else stanzas.message(sender, PHONE, message_id, content, server=server, now=now)
        )
        self._switchboard.deliver(companion.key, stanza)
        return True

    def reinstall(self, number: str, *, same_identity: bool) -> None:
        """The person's phone loses its sessions and prekeys, and its identity unless told not to.

        A new identity is announced to every companion that has a session with the phone.
        """
        peers = self._endpoints.reset(number, same_identity=same_identity)
        if same_identity:
            return
        person, now = self._people.named(number), time.time()
        for peer in peers:
            if self._companions.get(*peer) is not None:
                attrs = {
                    "from": person.address(PN_SERVER),
                    "lid": person.address(LID_SERVER),
                    "type": "encrypt",
                    "id": str(secrets.randbelow(1 << 31)),
                    "t": int(now),
                }
                self._switchboard.deliver(peer, Node("notification", attrs, [Node("identity", {})]))

    def said(self, number: str) -> list[dict[str, Any]]:
        """What a person said, and what came back: delivered, read, asked again how often."""
        return [
            {
                "id": row["id"],
                "to": row["recipient"],
                "text": row["text"],
                "at": row["at"],
                "delivered": bool(row["delivered"]),
                "read": bool(row["read"]),
                "retries": row["retries"],
            }
            for row in self._store.rows("SELECT * FROM said WHERE number = ? ORDER BY seq", number)
        ]

    def told(self, number: str, message_ids: list[str], column: str) -> None:
        """Notes that a message of this person was `delivered` or `read`."""
        assert column in ("delivered", "read")
        for message_id in message_ids:
            self._store.execute(
                f"UPDATE said SET {column} = 1 WHERE number = ? AND id = ?",  # noqa: S608
                number,
                message_id,
            )

    def _encrypt(
        self,
        phone: Endpoint,
        companion: Companion,
        plaintext: bytes,
        *,
        bundle: Bundle | None = None,
        fresh: bool = False,
    ) -> tuple[str, bytes]:
        if bundle is None and (fresh or not phone.has_session(companion.key)):
            bundle = self._prekeys.take(companion)
        return phone.encrypt(companion.key, plaintext, bundle)

    def _check_identity(
        self, sender: Companion, sealed: bytes, device_identity: bytes | None
    ) -> None:
        """A first message must come from the key that the account's phone vouched for."""
        first = PreKeySignalMessage.decode(sealed)
        if first.identity_key != sender.identity:
            raise UndecryptableError("untrusted-identity")
        if device_identity is None:
            raise UndecryptableError("missing-device-identity")
        phone = self._endpoints.phone(sender.number).identity.public
        if not adv.vouched(device_identity, sender.identity, phone):
            raise UndecryptableError("bad-device-identity")

    def _receipts(
        self, endpoint: Endpoint, sender: Companion, message_id: str, server: str, *, silent: bool
    ) -> None:
        person = self._people.named(endpoint.number)
        if silent or person.receipts == "none":
            return
        address = person.address(server, endpoint.device)
        now = time.time()
        for companion in self._companions.of(sender.number):
            self._switchboard.deliver(
                companion.key,
                stanzas.receipt(address, message_id, "", now),
                person.delivered_after,
            )
            if person.receipts == "read":
                self._switchboard.deliver(
                    companion.key,
                    stanzas.receipt(address, message_id, "read", now + person.read_after),
                    person.read_after,
                )

    def _ask_again(
        self, endpoint: Endpoint, sender: Companion, message_id: str, chat: Person, server: str
    ) -> None:
        count = self._store.number(
            "INSERT INTO undecrypted (number, sender, device, id, count) VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
            endpoint.number,
            *sender.key,
            message_id,
        )
        if count > MAX_RETRIES:
            return
        now = time.time()
        person = self._people.named(endpoint.number)
        # As whatsmeow: the first time the sender may simply encrypt again, from the second time
        # on the receipt brings keys for a new session.
        keys = endpoint.bundle() if count > 1 else None
        stanza = stanzas.receipt(
            person.address(server, endpoint.device),
            message_id,
            "retry",
            now,
            stanzas.retry_content(message_id, count, endpoint.registration, now, keys),
        )
        if endpoint.number == sender.number:
            stanza.attrs["recipient"] = chat.address(server)
        self._switchboard.deliver(sender.key, stanza)
