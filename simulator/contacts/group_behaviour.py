"""Encrypts group messages of simulated people under sender keys, and sends the messages to all members' devices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from simulator.server import stanzas
from simulator.server.groups.group import NoGroupError
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.contacts.content_decryption import SealedContent
    from simulator.contacts.inbox import ContactInboxes
    from simulator.contacts.people import People
    from simulator.contacts.sender_keys import SenderKeys
    from simulator.contacts.signal_endpoints import Bundle, SignalEndpoint, SignalEndpoints
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Group
    from simulator.server.groups.member_receipts import GroupReceipts
    from simulator.server.prekeys import Prekeys


class GroupBehaviour:
    """Sends to all members. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        inbox: ContactInboxes,
        sealed_content: SealedContent,
        sender_keys: SenderKeys,
        prekeys: Prekeys,
        group_receipts: GroupReceipts,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._inbox = inbox
        self._sealed_content = sealed_content
        self._sender_keys = sender_keys
        self._prekeys = prekeys
        self._group_receipts = group_receipts
        self._switchboard = switchboard

    def listeners(self, group: Group) -> list[Companion]:
        """Returns the linked devices of all members."""
        return [one for number in group.members for one in self._companions.of(number)]

    def say(
        self,
        speaker: SignalEndpoint,
        group: Group,
        message_id: str,
        content: Any,
        *,
        placeholder: list[Any] | None = None,
    ) -> None:
        """Encrypts once for all members, and distributes the sender key to each device that lacks it.

        With a `placeholder` the companions of other members get these nodes in place of all that.
        Raises NoGroupError when the speaker is not a member.
        """
        if speaker.number not in group.members:
            raise NoGroupError
        handed_over, sealed = self._sender_keys.encrypt(group, speaker, content.SerializeToString())
        common = stanzas.enc("skmsg", sealed, more=stanzas.sealed_attributes(content))
        for companion in self.listeners(group):
            parts = [common]
            if placeholder is not None and companion.number != speaker.number:
                parts = placeholder
            elif not self._sender_keys.shared(group, speaker, companion.key):
                key = _key(group, handed_over)
                parts = [*self._for_one(speaker, companion, key), common]
            stanza = self._stanza(speaker, group, message_id, content, parts)
            self._switchboard.deliver(companion.key, stanza)
        self._hear(speaker, group, message_id, content)

    def again(
        self,
        speaker: SignalEndpoint,
        companion: Companion,
        group: Group,
        *,
        message_id: str,
        content: Any,
        bundle: Bundle | None,
        count: int,
    ) -> None:
        """Sends one device that could not decrypt the message again, with the sender key."""
        handed_over = self._sender_keys.handed_over(group, speaker)
        message = Message()
        message.CopyFrom(content)
        message.MergeFrom(_key(group, handed_over))
        parts = self._for_one(
            speaker,
            companion,
            message,
            bundle=bundle,
            count=count,
            more=stanzas.sealed_attributes(content),
        )
        stanza = self._stanza(speaker, group, message_id, content, parts)
        self._switchboard.deliver(companion.key, stanza)

    def _for_one(
        self,
        speaker: SignalEndpoint,
        companion: Companion,
        message: Any,
        *,
        bundle: Bundle | None = None,
        count: int = 0,
        more: dict[str, str] | None = None,
    ) -> list[Any]:
        if bundle is None and (count > 1 or not speaker.has_session(companion.key)):
            bundle = self._prekeys.take(companion)
        kind, sealed = speaker.encrypt(companion.key, message.SerializeToString(), bundle)
        parts = [stanzas.enc(kind, sealed, count, more)]
        if kind == "pkmsg" and speaker.adv:
            parts.append(Node("device-identity", {}, speaker.adv))
        return parts

    def _stanza(
        self, speaker: SignalEndpoint, group: Group, message_id: str, content: Any, parts: list[Any]
    ) -> Any:
        person = self._people.named(speaker.number)
        stanza = stanzas.group_message(
            group, person, speaker.device, message_id, parts, now=time.time()
        )
        stanza.attrs.update(stanzas.content_attributes(content))
        return stanza

    def _hear(self, speaker: SignalEndpoint, group: Group, message_id: str, content: Any) -> None:
        """Stores the message for simulated members, who send receipts to an account with companions."""
        item = self._sealed_content.inbox_item(content, speaker.number)
        item["kind"] = item["kind"] or "unknown"
        heard = []
        for number in group.members:
            if number == speaker.number:
                continue
            for endpoint in self._endpoints.of(number).values():
                self._inbox.add(
                    (number, endpoint.device),
                    speaker.number,
                    message_id,
                    chat=group.chat,
                    name=self._people.named(speaker.number).name,
                    **item,
                )
                heard.append(endpoint)
        self._group_receipts.confirm(heard, speaker.number, message_id, group)


def _key(group: Group, handed_over: bytes) -> Any:
    message = Message()
    key = message.sender_key_distribution_message
    key.group_id = str(group.address)
    key.axolotl_sender_key_distribution_message = handed_over
    return message
