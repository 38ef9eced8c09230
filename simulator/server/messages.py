"""Routes direct and group messages from companions to the recipients' devices; acknowledges or rejects each."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.contacts.devices import participant_hash
from simulator.server import stanzas
from simulator.server.groups.group import NoGroupError
from simulator.server.rules.address_rules import BAD_ADDRESS_ERROR
from simulator.server.rules.new_chat_limits import LOCKED_ERROR
from simulator.wire.protocol_library import (
    GROUP_SERVER,
    HOSTED_DEVICE,
    LID_SERVER,
    PN_SERVER,
    Node,
    jid_of,
    namespace,
    text_of,
)

if TYPE_CHECKING:
    from simulator.contacts.devices import Devices
    from simulator.contacts.message_handler import MessageHandler
    from simulator.contacts.people import People, Person
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.faults import Faults
    from simulator.server.companions import Companion, Companions, DeviceKey
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Groups
    from simulator.server.groups.messages import GroupMessages
    from simulator.server.profiles.blocklist import Blocklists
    from simulator.server.rules.address_rules import AddressRules
    from simulator.server.rules.new_chat_limits import NewChatLimits
    from simulator.server.rules.privacy_tokens import PrivacyTokens
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

NO_PUSH_NAME: Final = "-"
"""Name of an account that sent none with a presence (whatsmeow `presence.go` SendPresence)."""
MALFORMED_ERROR: Final = 479
"""Error for a malformed stanza (Baileys: `smax-invalid`)."""
SENT_BY: Final = {PN_SERVER: "sent_by_pn", LID_SERVER: "sent_by_lid"}
"""Names of the counts of an account's direct messages, by their addressing mode."""
FALSE_PHASH: Final = "2:AAAAAAAA"
"""Of a list of devices that the server does not hand out: one that differs and stays (whatsmeow `send.go` compares it
with its own for each message)."""
MAX_DEVICES: Final = 256
"""Of one fan-out; each costs an encryption at its other end."""


class MessageRouter:
    """Routes each device's ciphertext and acknowledges the message."""

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        devices: Devices,
        addresses: AddressRules,
        groups: Groups,
        group_messages: GroupMessages,
        message_handler: MessageHandler,
        reach_out: NewChatLimits,
        tokens: PrivacyTokens,
        blocklists: Blocklists,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._faults = faults
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._devices = devices
        self._addresses = addresses
        self._groups = groups
        self._group_messages = group_messages
        self._message_handler = message_handler
        self._reach_out = reach_out
        self._tokens = tokens
        self._blocklists = blocklists
        self._switchboard = switchboard

    def handle(self, connection: Connection, companion: Companion, message: Any) -> None:
        """Routes within the caller's transaction; the ack leaves after its commit."""
        faults, account = self._faults, companion.number
        if faults.strike(account, "swallow", device=companion.device):
            return
        refused = faults.strike(
            account, "error_acks", "refuse_until_login", device=companion.device
        )
        if refused is not None:
            self._ack(connection, companion, message, {"error": refused.code})
            return
        to = jid_of(message, "to")
        if to is not None and to.server == GROUP_SERVER:
            self._to_group(connection, companion, message, to)
            return
        if self._addresses.refuse(account, message):
            self._refuse(connection, companion, message, BAD_ADDRESS_ERROR)
            return
        chat_at = self._chat(companion, message, to)
        chat = self._people.at(chat_at)
        if chat is None or not chat.registered:
            log.info("unknown_recipient", action="unknown_recipient", serial=connection.serial)
            self._refuse(connection, companion, message, 404)
            return
        parts = self._parts(message, to)
        code = self._refusal(companion, message, chat, parts)
        if code is not None:
            self._refuse(connection, companion, message, code)
            return
        server = namespace(chat_at) or PN_SERVER
        if message.attrs.get("category") != "peer":
            self._store.count(account, SENT_BY[server])
        # Registered first, so that the ack leaves before a receipt of any device.
        self._ack(connection, companion, message, self._hash(companion, message, chat, parts, to))
        blocked = self._blocklists.blocks(chat.number, account)
        for device, enc in parts.items():
            if blocked and device[0] == chat.number:
                continue
            self._route(
                companion,
                device,
                enc,
                message=message,
                chat=chat,
                server=server,
                push_name=companion.shown_name or NO_PUSH_NAME,
            )

    def _refusal(
        self, companion: Companion, message: Any, chat: Person, parts: dict[DeviceKey, Any]
    ) -> int | None:
        """Returns the code that refuses a message to a person; None where it is accepted.

        Limits do not apply to messages to own devices alone, and to answers of retry requests.
        """
        if not 0 < len(parts) <= MAX_DEVICES:
            return MALFORMED_ERROR
        own = all(number == companion.number for number, _ in parts)
        if own or message.get_child("participants") is None:
            return None
        if not self._tokens.admits(companion.number, chat.number, message):
            return LOCKED_ERROR
        return self._reach_out.refusal(companion.number, chat.number)

    def _to_group(
        self, connection: Connection, companion: Companion, message: Any, to: Any
    ) -> None:
        try:
            group = self._groups.named(to.user)
        except NoGroupError:
            self._refuse(connection, companion, message, 404)
            return
        groups = self._group_messages
        if not groups.may_write(group, companion.number):
            self._refuse(connection, companion, message, 403)
            return
        if groups.stale(group, message):
            self._refuse(connection, companion, message, 421)
            return
        self._ack(connection, companion, message, groups.hash(group, message))
        groups.route(companion, message, group, companion.shown_name or NO_PUSH_NAME)

    def _chat(self, companion: Companion, message: Any, to: Any) -> Any:
        """Returns the address of the message's chat.

        It is the `to` of the stanza, except for an answer to a retry receipt of another own device:
        that is sent to the device, and its `recipient` repeats the one of receipt and copy (whatsmeow
        `retry.go` handleRetryReceipt, Baileys relayMessage, whatsapp-rust
        resolve_retry_chat_info).
        """
        recipient = jid_of(message, "recipient")
        if recipient is None:
            return to
        person = self._people.at(to)
        return recipient if person is not None and person.number == companion.number else to

    def _parts(self, message: Any, to: Any) -> dict[DeviceKey, Any]:
        """Returns the ciphertext for each device: of a fan-out, or the one of a direct message."""
        parts: dict[DeviceKey, Any] = {}
        direct = message.get_child("enc")
        if direct is not None:
            person = self._people.at(to)
            assert person is not None
            parts[(person.number, to.device)] = direct
        for participants in message.get_children("participants"):
            for one in participants.get_children("to"):
                jid, enc = jid_of(one, "jid"), one.get_child("enc")
                person = self._people.at(jid)
                if person is not None and enc is not None:
                    parts[(person.number, jid.device)] = enc
        return parts

    def _route(
        self,
        sender: Companion,
        device: DeviceKey,
        enc: Any,
        *,
        message: Any,
        chat: Person,
        server: str,
        push_name: str,
    ) -> None:
        identity = message.get_child("device-identity")
        message_id = text_of(message, "id")
        companion = self._companions.get(*device)
        if companion is None:
            endpoint = self._endpoints.get(*device)
            if endpoint is not None:
                self._message_handler.receive(
                    endpoint,
                    sender,
                    message_id,
                    enc,
                    chat=chat,
                    device_identity=None if identity is None else identity.content_bytes(),
                    server=server,
                    name=push_name,
                )
            return
        content = [Node("enc", dict(enc.attrs), enc.content)]
        if identity is not None and enc.attrs.get("type") == "pkmsg":
            content.append(Node("device-identity", {}, identity.content))
        person, now = self._people.named(sender.number), time.time()
        if message.attrs.get("category") == "peer":
            stanza = stanzas.peer_message(
                person, sender.device, message_id, content, server=server, now=now
            )
        elif companion.number == sender.number:
            stanza = stanzas.own_message(
                person, sender.device, chat, message_id, content, server=server, now=now
            )
        else:
            stanza = stanzas.message(
                person, sender.device, message_id, content, server=server, now=now
            )
        stanzas.carry_over(message, stanza, push_name)
        self._switchboard.deliver(companion.key, stanza)

    def _hash(
        self,
        sender: Companion,
        message: Any,
        chat: Person,
        parts: dict[DeviceKey, Any],
        to: Any,
    ) -> dict[str, Any]:
        """Returns the `phash` of the expected devices, when the message is not for all of them.

        Computed as whatsmeow's `participantListHashV2` over both people's devices, the sender's
        own included. Hosted devices may be left out: whatsmeow writes to them, whatsapp-rust does
        not (device_registry.rs `resolve_dm_devices_uncached`).
        """
        if message.get_child("participants") is None or message.attrs.get("category") == "peer":
            return {}
        expected = {
            (number, device)
            for number in (chat.number, sender.number)
            for device in self._devices.of(number)
        }
        hosted = {one for one in expected if one[1] == HOSTED_DEVICE}
        if {*parts, sender.key} in (expected, expected - hosted):
            return {}
        people = self._people
        return {
            "phash": participant_hash(
                people.named(number).address(namespace(to) or PN_SERVER, device)
                for number, device in expected
            )
        }

    def _refuse(
        self, connection: Connection, companion: Companion, message: Any, code: int
    ) -> None:
        """Counts the refusal, and answers the message with its code."""
        self._reach_out.count(companion.number, code)
        self._ack(connection, companion, message, {"error": code})

    def _ack(
        self, connection: Connection, companion: Companion, message: Any, more: dict[str, Any]
    ) -> None:
        ack = Node(
            "ack",
            {
                "class": "message",
                "id": text_of(message, "id"),
                "from": message.attrs.get("to", ""),
                "t": int(time.time()),
                **more,
            },
        )
        fault = self._faults.strike(
            companion.number,
            "withhold_acks",
            "delay_acks",
            "duplicate_acks",
            device=companion.device,
        )
        if "error" not in more and self._faults.strike(companion.number, "false_phash"):
            ack.attrs["phash"] = FALSE_PHASH
        if fault is None or fault.kind == "duplicate_acks":
            for _ in range(1 if fault is None else 2):
                connection.send(ack)
        elif fault.kind == "delay_acks":
            loop = asyncio.get_running_loop()
            seconds = fault.seconds or 0.0
            self._store.after_commit(
                lambda: (loop.call_later(seconds, connection.push, ack), None)[1]
            )
