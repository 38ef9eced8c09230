"""What the people whom the simulator plays say in groups."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from simulator.contacts import message_content
from simulator.server import stanzas
from simulator.server.groups.group import NoGroupError
from simulator.wire.proto_schema import Message
from simulator.wire.protocol import Node

if TYPE_CHECKING:
    from simulator.contacts.signal_endpoints import Bundle, Endpoint
    from simulator.server.companions import Companion
    from simulator.server.groups.group import Group
    from simulator.server_state import World


class GroupSpeech:
    """Every method runs inside its caller's transaction."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listeners(self, group: Group) -> list[Companion]:
        """The linked devices of all members."""
        return [one for number in group.members for one in self._world.companions.of(number)]

    def say(self, speaker: Endpoint, group: Group, message_id: str, content: Any) -> None:
        """Encrypts once for all, and hands the key to each device that lacks it.

        Raises NoGroupError when the speaker is not a member.
        """
        if speaker.number not in group.members:
            raise NoGroupError
        handed_over, sealed = self._world.sender_keys.encrypt(
            group, speaker, content.SerializeToString()
        )
        common = stanzas.enc("skmsg", sealed, more=message_content.sealed_attributes(content))
        for companion in self.listeners(group):
            parts = [common]
            if not self._world.sender_keys.shared(group, speaker, companion.key):
                key = _key(group, handed_over)
                parts = [*self._for_one(speaker, companion, key), common]
            stanza = self._stanza(speaker, group, message_id, content, parts)
            self._world.switchboard.deliver(companion.key, stanza)
        self._hear(speaker, group, message_id, content)

    def again(
        self,
        speaker: Endpoint,
        companion: Companion,
        group: Group,
        *,
        message_id: str,
        content: Any,
        bundle: Bundle | None,
        count: int,
    ) -> None:
        """For one device that could not read: the message with the key, over their session."""
        handed_over = self._world.sender_keys.handed_over(group, speaker)
        message = Message()
        message.CopyFrom(content)
        message.MergeFrom(_key(group, handed_over))
        parts = self._for_one(
            speaker,
            companion,
            message,
            bundle=bundle,
            count=count,
            more=message_content.sealed_attributes(content),
        )
        stanza = self._stanza(speaker, group, message_id, content, parts)
        self._world.switchboard.deliver(companion.key, stanza)

    def _for_one(
        self,
        speaker: Endpoint,
        companion: Companion,
        message: Any,
        *,
        bundle: Bundle | None = None,
        count: int = 0,
        more: dict[str, str] | None = None,
    ) -> list[Any]:
        if bundle is None and (count > 1 or not speaker.has_session(companion.key)):
            bundle = self._world.prekeys.take(companion)
        kind, sealed = speaker.encrypt(companion.key, message.SerializeToString(), bundle)
        parts = [stanzas.enc(kind, sealed, count, more)]
        if kind == "pkmsg" and speaker.adv:
            parts.append(Node("device-identity", {}, speaker.adv))
        return parts

    def _stanza(
        self, speaker: Endpoint, group: Group, message_id: str, content: Any, parts: list[Any]
    ) -> Any:
        person = self._world.people.named(speaker.number)
        stanza = stanzas.group_message(
            group, person, speaker.device, message_id, parts, now=time.time()
        )
        stanza.attrs.update(message_content.attributes(content))
        return stanza

    def _hear(self, speaker: Endpoint, group: Group, message_id: str, content: Any) -> None:
        """The members who are played keep it, and confirm it to an account that has companions."""
        kind, text, fields = message_content.described(content)
        for number in group.members:
            if number == speaker.number:
                continue
            for endpoint in self._world.endpoints.of(number).values():
                self._world.contacts.inbox.keep(
                    (number, endpoint.device),
                    speaker.number,
                    message_id,
                    chat=group.chat,
                    kind=kind or "unknown",
                    text=text,
                    fields=fields | self._world.contacts.opened(content, speaker.number),
                    content=content.SerializeToString(),
                )
                self._world.group_messages.confirm(endpoint, speaker.number, message_id, group)


def _key(group: Group, handed_over: bytes) -> Any:
    message = Message()
    key = message.sender_key_distribution_message
    key.group_id = str(group.address)
    key.axolotl_sender_key_distribution_message = handed_over
    return message
