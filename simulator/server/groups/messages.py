"""Routes a companion's group message to the members' devices, or decrypts it into simulated members' inboxes (SQLite).

Shapes after whatsmeow `send.go` (sendGroup), `message.go` (decryptMessages) and `retry.go`: one
`skmsg` for all, and beside it a `pkmsg` or `msg` for each device that is handed the sender key.
`member_receipts` sends the receipts of those members.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from simulator.contacts.devices import participant_hash
from simulator.contacts.message_handler import MAX_RETRIES
from simulator.server import stanzas
from simulator.server.groups.settings import ANNOUNCEMENT
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import HOSTED_DEVICE, LID_SERVER, Node, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.content_decryption import SealedContent
    from simulator.contacts.devices import Devices
    from simulator.contacts.inbox import ContactInboxes
    from simulator.contacts.message_handler import MessageHandler
    from simulator.contacts.people import People
    from simulator.contacts.sender_keys import SenderKeys
    from simulator.contacts.signal_endpoints import SignalEndpoint, SignalEndpoints
    from simulator.server.companions import Companion, Companions, DeviceKey
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Group
    from simulator.server.groups.member_receipts import GroupReceipts
    from simulator.server.groups.settings import GroupSettings
    from simulator.server.rules.chat_timers import ChatTimers

log = structlog.get_logger()


class GroupMessages:
    """Routes to every member's devices. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        devices: Devices,
        settings: GroupSettings,
        message_handler: MessageHandler,
        inbox: ContactInboxes,
        sealed_content: SealedContent,
        sender_keys: SenderKeys,
        group_receipts: GroupReceipts,
        chat_timers: ChatTimers,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._devices = devices
        self._settings = settings
        self._message_handler = message_handler
        self._inbox = inbox
        self._sealed_content = sealed_content
        self._sender_keys = sender_keys
        self._group_receipts = group_receipts
        self._chat_timers = chat_timers
        self._switchboard = switchboard

    def may_write(self, group: Group, number: str) -> bool:
        """Returns whether a person is a member, and an administrator where messages are announcements."""
        announces = self._settings.value(group, ANNOUNCEMENT)
        return bool(group.members.get(number) if announces else number in group.members)

    def expected(self, group: Group) -> set[DeviceKey]:
        """All devices of all members but hosted ones, which take no part in groups.

        As in whatsmeow (send.go `prepareMessageNode`) and whatsapp-rust (binary/src/jid.rs `is_hosted`).
        """
        devices = self._devices
        return {
            (number, device)
            for number in group.members
            for device in devices.of(number)
            if device != HOSTED_DEVICE
        }

    def stale(self, group: Group, message: Any) -> bool:
        """Returns whether the sender uses another addressing mode than the group."""
        mode = "lid" if group.server == LID_SERVER else "pn"
        addressed = {
            member.server
            for participants in message.get_children("participants")
            for one in participants.get_children("to")
            if (member := jid_of(one, "jid")) is not None
        }
        return text_of(message, "addressing_mode") not in ("", mode) or bool(
            addressed - {group.server}
        )

    def hash(self, group: Group, message: Any) -> dict[str, Any]:
        """Returns the `phash` of the group's devices, where it differs from the sender's."""
        people = self._people
        hashed = participant_hash(
            people.named(number).address(group.server, device)
            for number, device in self.expected(group)
        )
        return {} if text_of(message, "phash") in ("", hashed) else {"phash": hashed}

    def route(self, sender: Companion, message: Any, group: Group, push_name: str) -> None:
        """Sends each device its own ciphertext, if there is one, and the common one."""
        own, shared = self._parts(message)
        directed = jid_of(message, "participant")
        if directed is not None:
            # An answer to a retry receipt: for one device, under the same id.
            person = self._people.at(directed)
            devices = set() if person is None else {(person.number, directed.device)}
            own, shared = dict.fromkeys(devices, shared), None
        else:
            devices = self.expected(group) - {sender.key}
        received = []
        for device in sorted(devices):
            encs = [enc for enc in (own.get(device), shared) if enc is not None]
            if not encs:
                continue
            companion = self._companions.get(*device)
            endpoint = self._endpoints.get(*device)
            if companion is not None:
                self._forward(
                    sender, companion, message, group=group, encs=encs, push_name=push_name
                )
            elif endpoint is not None and self._receive(
                endpoint, sender, message, group=group, encs=encs, name=push_name
            ):
                received.append(endpoint)
        self._group_receipts.confirm(received, sender.number, text_of(message, "id"), group)

    def _parts(self, message: Any) -> tuple[dict[DeviceKey, Any], Any]:
        own: dict[DeviceKey, Any] = {}
        for participants in message.get_children("participants"):
            for one in participants.get_children("to"):
                jid, enc = jid_of(one, "jid"), one.get_child("enc")
                person = self._people.at(jid)
                if person is not None and enc is not None:
                    own[(person.number, jid.device)] = enc
        return own, message.get_child("enc")

    def _forward(
        self,
        sender: Companion,
        companion: Companion,
        message: Any,
        *,
        group: Group,
        encs: list[Any],
        push_name: str,
    ) -> None:
        content = [Node("enc", dict(enc.attrs), enc.content) for enc in encs]
        identity = message.get_child("device-identity")
        if identity is not None and any(enc.attrs.get("type") == "pkmsg" for enc in encs):
            content.append(Node("device-identity", {}, identity.content))
        stanza = stanzas.group_message(
            group,
            self._people.named(sender.number),
            sender.device,
            text_of(message, "id"),
            content,
            now=time.time(),
        )
        stanzas.carry_over(message, stanza, push_name)
        self._switchboard.deliver(companion.key, stanza)

    def _receive(
        self,
        endpoint: SignalEndpoint,
        sender: Companion,
        message: Any,
        *,
        group: Group,
        encs: list[Any],
        name: str,
    ) -> bool:
        """Stores the message, or requests it again; returns whether the device has it."""
        message_id, inbox = text_of(message, "id"), self._inbox
        device = (endpoint.number, endpoint.device)
        fingerprint = hashlib.sha256(encs[-1].content_bytes()).digest()
        if inbox.again(device, sender.number, message_id, fingerprint):
            return True
        try:
            read = [self._decrypted(endpoint, sender, message, group, enc) for enc in encs]
        except Exception as error:  # noqa: BLE001 - any failure leads to a retry receipt
            code = getattr(error, "code", "malformed")
            log.info("undecryptable", action="undecryptable", code=code, group=True)
            self._request_retry(endpoint, sender, message_id, group, code)
            return False
        for content in read:
            item = self._sealed_content.inbox_item(content, sender.number)
            more: dict[str, Any] = {"chat": group.chat, "ciphertext": fingerprint, "name": name}
            if item["kind"] and inbox.add(device, sender.number, message_id, **item, **more):
                self._chat_timers.observe(content, group.chat, sender.number, message_id)
        return True

    def _decrypted(
        self, endpoint: SignalEndpoint, sender: Companion, message: Any, group: Group, enc: Any
    ) -> Any:
        """Decrypts one ciphertext, and stores a sender key in it. Raises UndecryptableError."""
        kind, sealed = str(enc.attrs.get("type", "")), enc.content_bytes()
        keys = self._sender_keys
        if kind == "skmsg":
            return Message.FromString(keys.decrypt(group, endpoint, sender.key, sealed))
        if kind == "pkmsg":
            identity = message.get_child("device-identity")
            self._message_handler.check_identity(
                sender, sealed, None if identity is None else identity.content_bytes()
            )
        content = Message.FromString(endpoint.decrypt(sender.key, kind, sealed))
        handed_over = content.sender_key_distribution_message
        if handed_over.group_id == str(group.address):
            keys.store(
                group, endpoint, sender.key, handed_over.axolotl_sender_key_distribution_message
            )
        return content

    def request_again(
        self, number: str, account: str, message_id: str, group: Group, *, keys: bool
    ) -> None:
        """Sends the account's devices retry receipts of the person's, also for a message that was not for them.

        The first one of a device comes without `keys` for a new session unless those are wanted.
        """
        for endpoint in self._endpoints.of(number).values():
            for companion in self._companions.of(account):
                code = "no-session" if keys else "malformed"
                self._request_retry(endpoint, companion, message_id, group, code)

    def _request_retry(
        self, endpoint: SignalEndpoint, sender: Companion, message_id: str, group: Group, code: str
    ) -> None:
        contacts, now = self._message_handler, time.time()
        count = contacts.count_failure(endpoint, sender, message_id)
        if count > MAX_RETRIES:
            return
        keys = endpoint.bundle() if count > 1 or code == "no-session" else None
        content = stanzas.retry_content(
            message_id, count, endpoint.registration, now, keys=keys, adv=endpoint.adv
        )
        stanza = stanzas.receipt(group.address, message_id, "retry", now, content)
        person = self._people.named(endpoint.number)
        stanza.attrs["participant"] = person.address(group.server, endpoint.device)
        self._switchboard.deliver(sender.key, stanza)
