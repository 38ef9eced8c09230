"""Encrypts and sends messages of simulated people to companions (real clients), and again after a retry receipt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.contacts import message_content
from simulator.contacts.devices import NoDeviceError
from simulator.contacts.message_handler import MAX_RETRIES
from simulator.contacts.people import ADDRESSINGS
from simulator.contacts.sent_messages import OWN_DEVICES, sent_content
from simulator.contacts.signal_endpoints import PHONE
from simulator.server import stanzas
from simulator.server.groups.group import is_group
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import HOSTED_DEVICE, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.contacts.group_behaviour import GroupBehaviour
    from simulator.contacts.message_handler import MessageHandler
    from simulator.contacts.people import People, Person
    from simulator.contacts.sent_messages import SentMessages
    from simulator.contacts.signal_endpoints import Bundle, SignalEndpoint, SignalEndpoints
    from simulator.server.companions import Companion, Companions, DeviceKey
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Groups
    from simulator.server.prekeys import Prekeys
    from simulator.server.profiles.blocklist import Blocklists
    from simulator.server.rules.chat_timers import ChatTimers
    from simulator.server.rules.privacy_tokens import PrivacyTokens


class NoCompanionError(Exception):
    """The account has no linked device that could receive the message."""


@dataclass(frozen=True)
class _Spoken:
    """One message, before it is encrypted for anyone."""

    sender: Person
    recipient: Person
    id: str
    content: Any
    server: str


class ContactBehaviour:
    """Sends messages to people; `GroupBehaviour` sends to groups. Each method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        groups: Groups,
        message_handler: MessageHandler,
        sent: SentMessages,
        group_behaviour: GroupBehaviour,
        prekeys: Prekeys,
        chat_timers: ChatTimers,
        tokens: PrivacyTokens,
        blocklists: Blocklists,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._groups = groups
        self._message_handler = message_handler
        self._sent = sent
        self._group_behaviour = group_behaviour
        self._prekeys = prekeys
        self._chat_timers = chat_timers
        self._tokens = tokens
        self._blocklists = blocklists
        self._switchboard = switchboard

    def say(
        self, number: str, to: str, text: str, *, device: int = PHONE, addressing: str | None = None
    ) -> str:
        """Sends a text; see `speak`."""
        return self.speak(
            number,
            to,
            lambda _, __: message_content.text(text),
            device=device,
            addressing=addressing,
        )

    def speak(
        self,
        number: str,
        to: str,
        message: Callable[[Person, str], Any],
        *,
        device: int = PHONE,
        addressing: str | None = None,
        placeholder: list[Any] | None = None,
    ) -> str:
        """Sends a message to every companion of `to` and, as a copy, to the speaker's own.

        `message` builds it from the speaker and the server part of addresses in it. `addressing`
        (pn, lid) is by default the contact's. With a `placeholder` the companions of others
        get these nodes, or none, in place of the ciphertext. Returns the message id.
        Raises NoDeviceError without such a simulated device of the speaker, and NoCompanionError
        without a companion on either side: messages between two simulated phones have no effect. One who blocked
        the speaker gets nothing.
        """
        if is_group(to):
            return self._in_group(number, to, message, device, placeholder)
        sender, recipient = self._people.named(number), self._people.named(to)
        speaker = self._endpoints.get(number, device)
        if speaker is None:
            raise NoDeviceError
        devices = [] if to == number else self._companions.of(to)
        own = self._companions.of(number)
        if addressing is None:
            server = (recipient if own else sender).addressing or PN_SERVER
        else:
            server = ADDRESSINGS[addressing]
        content = self._chat_timers.with_timer(message(sender, server), to, number)
        if not devices and not own:
            raise NoCompanionError
        message_id = self._sent.add(number, device, to, content, server)
        if self._blocklists.blocks(to, number):
            devices = []
        spoken = _Spoken(sender, recipient, message_id, content, server)
        for companion in devices:
            if placeholder is None:
                self._write(speaker, companion, spoken)
            else:
                self._withhold(speaker, companion, spoken, placeholder)
        for companion in own:
            self._write(speaker, companion, spoken)
        if own and to != number and not self._blocklists.blocks(to, number):
            self._message_handler.hear(sender, recipient, message_id, content, server)
        self._tokens.issue_if_demanded(number, to)
        return message_id

    def _in_group(
        self,
        number: str,
        to: str,
        message: Callable[[Person, str], Any],
        device: int,
        placeholder: list[Any] | None,
    ) -> str:
        group = self._groups.named(to)
        speaker = self._endpoints.get(number, device)
        if speaker is None or device == HOSTED_DEVICE:
            raise NoDeviceError
        sent = message(self._people.named(number), group.server)
        content = self._chat_timers.with_timer(sent, group.chat, number)
        if not self._group_behaviour.listeners(group):
            raise NoCompanionError
        message_id = self._sent.add(number, device, group.chat, content, group.server)
        self._group_behaviour.say(speaker, group, message_id, content, placeholder=placeholder)
        return message_id

    def to_companion(self, companion: Companion, content: Any) -> str:
        """Sends a protocol message from an account's phone to one of its companions; no chat shows it."""
        number = companion.number
        person = self._people.named(number)
        message_id = self._sent.add(number, PHONE, OWN_DEVICES, content, PN_SERVER)
        spoken = _Spoken(person, person, message_id, content, PN_SERVER)
        self._write(self._endpoints.phone(number), companion, spoken)
        return message_id

    def answer_retry(
        self, requester: DeviceKey, companion: Companion, message_id: str, receipt: Any
    ) -> bool:
        """Encrypts a message again for the device that could not decrypt it, under the same id.

        With keys in the receipt, or from the second time on, over a new session. Only for
        messages of this device to that account or to its own, MAX_RETRIES times at most.
        Returns whether the message was sent again.
        """
        number, device = requester
        content = self._sent.find(number, message_id, device)
        speaker = self._endpoints.get(number, device)
        if content is None or speaker is None:
            return False
        to = content["recipient"] or number
        group = self._groups.named(to) if is_group(to) else None
        if companion.number not in ((number, to) if group is None else group.members):
            return False
        times = self._sent.count_request(number, message_id, companion.key)
        count = stanzas.retry_count(receipt)
        if times > MAX_RETRIES or not 1 <= count <= MAX_RETRIES:
            return False
        self._sent.count_retry(number, message_id)
        keys = self._prekeys.from_retry(companion, receipt)
        if group is not None:
            self._group_behaviour.again(
                speaker,
                companion,
                group,
                message_id=message_id,
                content=sent_content(content),
                bundle=keys,
                count=count,
            )
            return True
        spoken = _Spoken(
            self._people.named(number),
            self._people.named(to),
            message_id,
            sent_content(content),
            content["addressing"],
        )
        self._write(speaker, companion, spoken, bundle=keys, count=count)
        return True

    def _write(
        self,
        speaker: SignalEndpoint,
        companion: Companion,
        spoken: _Spoken,
        *,
        bundle: Bundle | None = None,
        count: int = 0,
    ) -> None:
        """Encrypts for one companion; the sender's own companions get a `deviceSentMessage`."""
        sender, recipient, server = spoken.sender, spoken.recipient, spoken.server
        own_copy = companion.number == sender.number
        peer = message_content.is_for_companions(spoken.content)
        message = Message()
        if own_copy and not peer:
            message.device_sent_message.destination_jid = str(recipient.address(server))
            message.device_sent_message.message.CopyFrom(spoken.content)
        else:
            message.CopyFrom(spoken.content)
        if bundle is None and (count > 1 or not speaker.has_session(companion.key)):
            bundle = self._prekeys.take(companion)
        kind, sealed = speaker.encrypt(companion.key, message.SerializeToString(), bundle)
        content = [stanzas.enc(kind, sealed, count, stanzas.sealed_attributes(spoken.content))]
        if kind == "pkmsg" and speaker.adv:
            content.append(Node("device-identity", {}, speaker.adv))
        now, device = time.time(), speaker.device
        if peer:
            stanza = stanzas.peer_message(
                sender, device, spoken.id, content, server=server, now=now
            )
        elif own_copy:
            stanza = stanzas.own_message(
                sender, device, recipient, spoken.id, content, server=server, now=now
            )
        else:
            stanza = stanzas.message(sender, device, spoken.id, content, server=server, now=now)
        stanza.attrs.update(stanzas.content_attributes(spoken.content))
        self._switchboard.deliver(companion.key, stanza)

    def _withhold(
        self,
        speaker: SignalEndpoint,
        companion: Companion,
        spoken: _Spoken,
        placeholder: list[Any],
    ) -> None:
        """Sends the message without its ciphertext, which a retry receipt still obtains."""
        stanza = stanzas.message(
            spoken.sender,
            speaker.device,
            spoken.id,
            placeholder,
            server=spoken.server,
            now=time.time(),
        )
        stanza.attrs.update(stanzas.content_attributes(spoken.content))
        self._switchboard.deliver(companion.key, stanza)
