"""What the people whom the simulator plays do with what they get: read, confirm, ask again."""

from __future__ import annotations

import hashlib
import itertools
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.contacts import message_content, poll_votes
from simulator.contacts.inbox import Inbox
from simulator.contacts.signal_endpoints import PHONE, Endpoint, UndecryptableError
from simulator.phones import adv
from simulator.server import stanzas
from simulator.wire.proto_schema import Message
from simulator.wire.protocol import PreKeySignalMessage

if TYPE_CHECKING:
    from simulator.contacts.people import Person
    from simulator.server.companions import Companion
    from simulator.server_state import World

log = structlog.get_logger()

# whatsmeow and Baileys stop asking, and answering, after the fifth time.
MAX_RETRIES: Final = 5


class Contacts:
    """All people's devices that are played. Every method runs inside its caller's transaction."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.inbox = Inbox(world.store)

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
        device = (endpoint.number, endpoint.device)
        kind, sealed = str(enc.attrs.get("type", "")), enc.content_bytes()
        fingerprint = hashlib.sha256(sealed).digest()
        if self.inbox.again(device, sender.number, message_id, fingerprint):
            # The very same bytes: a ratchet reads them only once, and a person's device drops
            # them without asking again.
            if not own_copy:
                self._receipts(endpoint, sender.number, message_id, server)
            return
        try:
            if kind == "pkmsg":
                self.check_identity(sender, sealed, device_identity)
            plaintext = endpoint.decrypt(sender.key, kind, sealed)
            message = Message.FromString(plaintext)
        except Exception as error:  # noqa: BLE001 - whatever breaks, a device asks again
            code = getattr(error, "code", "malformed")
            log.info("undecryptable", action="undecryptable", code=code, own_copy=own_copy)
            self._ask_again(endpoint, sender, message_id, chat=chat, server=server, code=code)
            return
        if own_copy:
            # The account's own phone sees what its companions sent only inside one of these.
            message = message.device_sent_message.message
        what, text, fields = message_content.described(message)
        if what is not None:
            self.inbox.keep(
                device,
                sender.number,
                message_id,
                chat=chat.number,
                kind=what,
                text=text,
                fields=fields | self.opened(message, sender.number),
                content=message.SerializeToString(),
                ciphertext=fingerprint,
            )
        if not own_copy:
            self._receipts(endpoint, sender.number, message_id, server)

    def hear(
        self, sender: Person, recipient: Person, message_id: str, message: Any, server: str
    ) -> None:
        """Keeps what an account's own phone says to a played person's devices, and confirms it.

        To the phone and to all the account's companions: a receipt knows no sending device
        (Baileys `messages-recv.ts` handleReceipt: without `recipient` it is about a message of the
        account's).
        """
        kind, text, fields = message_content.described(message)
        for endpoint in self._world.endpoints.of(recipient.number).values():
            self.inbox.keep(
                (recipient.number, endpoint.device),
                sender.number,
                message_id,
                chat=recipient.number,
                kind=kind or "unknown",
                text=text,
                fields=fields | self.opened(message, sender.number),
                content=message.SerializeToString(),
            )
            self._receipts(endpoint, sender.number, message_id, server)
        now, told = time.time(), self._world.speech.told
        if recipient.receipts != "none":
            told(sender.number, [message_id], "delivered", now + recipient.delivered_after)
        if recipient.receipts == "read":
            told(sender.number, [message_id], "read", now + recipient.read_after)

    def forget(self, number: str, account: str) -> int:
        """The person's devices lose their sessions with the account's; how many there were."""
        return self._world.endpoints.forget(number, account)

    def reinstall(self, number: str, *, same_identity: bool, notify: bool) -> None:
        """The person's phone loses its sessions and prekeys, and its identity unless told not to.

        With the identity go the registration id and all linked devices, which the phone had
        vouched for. With `notify` whoever knows the person is told.
        """
        if same_identity:
            self._world.endpoints.reset(number)
            return
        for device in list(self._world.endpoints.of(number)):
            if device != PHONE:
                self.unlink(number, device, notify=notify)
        if notify:
            # before the sessions are gone, by which the server knows who knows whom
            self._world.notices.identity(number)
        self._world.endpoints.remove(number, PHONE)
        self._world.people.relisted(number, renumbered=True)

    def link(self, number: str, *, notify: bool) -> int:
        """The person links one more device; its id."""
        device = self._world.devices.add(number)
        if notify:
            self._world.notices.device(number, "add", device)
        return device

    def unlink(self, number: str, device: int, *, notify: bool) -> None:
        """The person unlinks a device. Raises NoDeviceError when it is none that is played."""
        self._world.devices.remove(number, device)
        if notify:
            self._world.notices.device(number, "remove", device)

    def check_identity(
        self, sender: Companion, sealed: bytes, device_identity: bytes | None
    ) -> None:
        """A first message must come from the key that the account's phone vouched for."""
        first = PreKeySignalMessage.decode(sealed)
        if first.identity_key != sender.identity:
            raise UndecryptableError("untrusted-identity")
        if device_identity is None:
            raise UndecryptableError("missing-device-identity")
        phone = self._world.endpoints.phone(sender.number).identity.public
        if not adv.vouched(device_identity, sender.identity, phone):
            raise UndecryptableError("bad-device-identity")

    def opened(self, message: Any, sender: str) -> dict[str, Any]:
        """What can be read of it only with what is elsewhere: a file, the options of a vote."""
        message = message_content.unwrapped(message)
        media = message_content.media_in(message)
        if media is not None:
            return self._world.media.read(*media)
        if not message.HasField("poll_update_message"):
            return {}
        update = message.poll_update_message
        found = self._world.store.row(
            "SELECT number AS author, content FROM said WHERE id = ?1"
            " UNION ALL SELECT sender, content FROM inbox WHERE id = ?1",
            update.poll_creation_message_key.id,
        )
        poll = None if found is None else Message.FromString(bytes(found["content"]))
        asked = None if poll is None else message_content.poll_in(poll)
        if found is None or poll is None or asked is None:
            return {"options": None}
        options = [option.option_name for option in asked.options]
        people = self._world.people
        for author, voter in itertools.product(
            people.named(found["author"]).addresses(), people.named(sender).addresses()
        ):
            chosen = poll_votes.opened(
                poll_votes.Ballot(update.poll_creation_message_key.id, author, voter),
                poll.message_context_info.message_secret,
                update.vote.enc_payload,
                update.vote.enc_iv,
                options,
            )
            if chosen is not None:
                return {"options": chosen}
        return {"options": None}

    def _receipts(self, endpoint: Endpoint, account: str, message_id: str, server: str) -> None:
        """To all companions of the account: delivered from each device, read from the phone."""
        person = self._world.people.named(endpoint.number)
        if person.receipts == "none":
            return
        address = person.address(person.addressing or server, endpoint.device)
        now = time.time()
        for companion in self._world.companions.of(account):
            self._world.switchboard.deliver(
                companion.key,
                stanzas.receipt(address, message_id, "", now),
                person.delivered_after,
            )
            if person.receipts == "read" and endpoint.device == PHONE:
                self._world.switchboard.deliver(
                    companion.key,
                    stanzas.receipt(address, message_id, "read", now + person.read_after),
                    person.read_after,
                )

    def asked(self, endpoint: Endpoint, sender: Companion, message_id: str) -> int:
        """Counts that a message did not read; the how manieth time it was."""
        return self._world.store.number(
            "INSERT INTO undecrypted (number, own_device, sender, device, id, count)"
            " VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
            " RETURNING count",
            endpoint.number,
            endpoint.device,
            *sender.key,
            message_id,
        )

    def _ask_again(
        self,
        endpoint: Endpoint,
        sender: Companion,
        message_id: str,
        *,
        chat: Person,
        server: str,
        code: str,
    ) -> None:
        count = self.asked(endpoint, sender, message_id)
        if count > MAX_RETRIES:
            return
        now = time.time()
        person = self._world.people.named(endpoint.number)
        # From the second time on the receipt brings keys for a new session (WhatsApp Web,
        # whatsmeow `retry.go`); at once when there is no session at all (whatsapp-rust
        # `protocol/retry.rs` should_include_keys).
        keys = endpoint.bundle() if count > 1 or code == "no-session" else None
        stanza = stanzas.receipt(
            person.address(person.addressing or server, endpoint.device),
            message_id,
            "retry",
            now,
            stanzas.retry_content(
                message_id, count, endpoint.registration, now, keys=keys, adv=endpoint.adv
            ),
        )
        if endpoint.number == sender.number:
            stanza.attrs["recipient"] = chat.address(server)
        self._world.store.count(endpoint.number, "retries_sent")
        self._world.switchboard.deliver(sender.key, stanza)
