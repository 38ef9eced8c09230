"""What the people whom the simulator plays say, and how they answer whoever could not read it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.contacts import message_content
from simulator.contacts.devices import NoDeviceError
from simulator.contacts.inbox import EVERYTHING, Page
from simulator.contacts.message_handler import MAX_RETRIES
from simulator.contacts.people import ADDRESSINGS
from simulator.contacts.signal_endpoints import PHONE
from simulator.server import stanzas
from simulator.server.groups.group import is_group
from simulator.wire.proto_schema import Message
from simulator.wire.protocol import PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.contacts.people import Person
    from simulator.contacts.signal_endpoints import Bundle, Endpoint
    from simulator.server.companions import Companion
    from simulator.server_state import World


class NoCompanionError(Exception):
    """The account has no linked device that could receive."""


@dataclass(frozen=True)
class _Spoken:
    """One message, before it is encrypted for anyone."""

    sender: Person
    recipient: Person
    id: str
    content: Any
    server: str


class Speech:
    """All that was said. Every method runs inside its caller's transaction."""

    def __init__(self, world: World) -> None:
        self._world = world

    def say(
        self, number: str, to: str, text: str, *, device: int = PHONE, addressing: str | None = None
    ) -> str:
        """Says a text; see `speak`."""
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
    ) -> str:
        """Sends a message to every companion of `to` and, as a copy, to the speaker's own.

        `message` makes it of the speaker and of the server part that people have in it.
        `addressing` (pn, lid) is the chat's as a rule: the contact's. Returns the message id.
        Raises NoDeviceError when the simulator plays no such device of the speaker's, and
        NoCompanionError when neither side has a linked device: between two phones that are both
        played here there is nothing to simulate.
        """
        if is_group(to):
            return self._in_group(number, to, message, device)
        sender, recipient = self._world.people.named(number), self._world.people.named(to)
        speaker = self._world.endpoints.get(number, device)
        if speaker is None:
            raise NoDeviceError
        devices = [] if to == number else self._world.companions.of(to)
        own = self._world.companions.of(number)
        if addressing is None:
            server = (recipient if own else sender).addressing or PN_SERVER
        else:
            server = ADDRESSINGS[addressing]
        content = message(sender, server)
        if not devices and not own:
            raise NoCompanionError
        message_id = self._noted(number, device, to, content, server)
        spoken = _Spoken(sender, recipient, message_id, content, server)
        for companion in (*devices, *own):
            self._write(speaker, companion, spoken)
        if own and to != number:
            self._world.contacts.hear(sender, recipient, message_id, content, server)
        return message_id

    def _in_group(
        self, number: str, to: str, message: Callable[[Person, str], Any], device: int
    ) -> str:
        group = self._world.groups.named(to)
        speaker = self._world.endpoints.get(number, device)
        if speaker is None:
            raise NoDeviceError
        content = message(self._world.people.named(number), group.server)
        if not self._world.group_speech.listeners(group):
            raise NoCompanionError
        message_id = self._noted(number, device, group.chat, content, group.server)
        self._world.group_speech.say(speaker, group, message_id, content)
        return message_id

    def _noted(self, number: str, device: int, to: str, content: Any, server: str) -> str:
        message_id = f"3EB0{secrets.token_hex(9).upper()}"
        self._world.store.execute(
            "INSERT INTO said (number, device, recipient, id, text, content, addressing, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            device,
            to,
            message_id,
            message_content.described(content)[1] or "",
            content.SerializeToString(),
            server,
            time.time(),
        )
        return message_id

    def to_companion(self, companion: Companion, content: Any) -> str:
        """Tells a companion of the phone's own account something that no person says."""
        number = companion.number
        person = self._world.people.named(number)
        message_id = self._noted(number, PHONE, number, content, PN_SERVER)
        spoken = _Spoken(person, person, message_id, content, PN_SERVER)
        self._write(self._world.endpoints.phone(number), companion, spoken)
        return message_id

    def answer_retry(
        self, asked: tuple[str, int], companion: Companion, message_id: str, receipt: Any
    ) -> bool:
        """Encrypts a message anew for the device that could not read it, under the same id.

        With keys in the receipt, or from the second time on, over a new session. Only for what
        this very device said to that account or to its own, and no more often than MAX_RETRIES.
        Returns whether it was.
        """
        number, device = asked
        said = self._world.store.row(
            "SELECT * FROM said WHERE number = ? AND id = ? AND device = ?",
            number,
            message_id,
            device,
        )
        speaker = self._world.endpoints.get(number, device)
        if said is None or speaker is None:
            return False
        group = self._world.groups.named(to) if is_group(to := said["recipient"]) else None
        if companion.number not in ((number, to) if group is None else group.members):
            return False
        times = self._world.store.number(
            "INSERT INTO asked (number, id, peer, peer_device, count) VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
            number,
            message_id,
            *companion.key,
        )
        count = _retry_count(receipt)
        if times > MAX_RETRIES or not 1 <= count <= MAX_RETRIES:
            return False
        self._world.store.execute(
            "UPDATE said SET retries = retries + 1 WHERE number = ? AND id = ?", number, message_id
        )
        keys = self._world.prekeys.from_retry(companion, receipt)
        if group is not None:
            self._world.group_speech.again(
                speaker,
                companion,
                group,
                message_id=message_id,
                content=said_content(said),
                bundle=keys,
                count=count,
            )
            return True
        spoken = _Spoken(
            self._world.people.named(number),
            self._world.people.named(to),
            message_id,
            said_content(said),
            said["addressing"],
        )
        self._write(speaker, companion, spoken, bundle=keys, count=count)
        return True

    def said(self, number: str, page: Page = EVERYTHING) -> list[dict[str, Any]]:
        """What a person said, and what came back: delivered, read, asked again how often."""
        now = time.time()
        return [
            {
                "index": row["seq"],
                "id": row["id"],
                "device": row["device"],
                "to": row["recipient"],
                **_shown(said_content(row)),
                "at": row["at"],
                "delivered": 0 < row["delivered"] <= now,
                "read": 0 < row["read"] <= now,
                "retries": row["retries"],
            }
            for row in self._world.store.rows(
                "SELECT * FROM said WHERE number = ? AND seq > ? ORDER BY seq LIMIT ?",
                number,
                page.after,
                page.limit,
            )
        ]

    def told(self, number: str, message_ids: list[str], column: str, at: float) -> None:
        """Notes that a message of this person is `delivered` or `read`, and since when (seconds).

        The first time counts.
        """
        assert column in ("delivered", "read")
        for message_id in message_ids:
            self._world.store.execute(
                f"UPDATE said SET {column} = ?1"  # noqa: S608
                f" WHERE number = ?2 AND id = ?3 AND ({column} = 0 OR {column} > ?1)",
                at,
                number,
                message_id,
            )

    def _write(
        self,
        speaker: Endpoint,
        companion: Companion,
        spoken: _Spoken,
        *,
        bundle: Bundle | None = None,
        count: int = 0,
    ) -> None:
        """One companion's ciphertext; a copy in a `deviceSentMessage` when it is the sender's."""
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
            bundle = self._world.prekeys.take(companion)
        kind, sealed = speaker.encrypt(companion.key, message.SerializeToString(), bundle)
        content = [
            stanzas.enc(kind, sealed, count, message_content.sealed_attributes(spoken.content))
        ]
        if kind == "pkmsg" and speaker.adv:
            content.append(Node("device-identity", {}, speaker.adv))
        now = time.time()
        stanza = (
            stanzas.own_message(
                sender, speaker.device, recipient, spoken.id, content, server=server, now=now
            )
            if own_copy
            else stanzas.message(sender, speaker.device, spoken.id, content, server=server, now=now)
        )
        stanza.attrs.update(message_content.attributes(spoken.content))
        if peer:
            stanza.attrs["category"] = "peer"
            for name in ("recipient", "peer_recipient_lid"):
                del stanza.attrs[name]
        self._world.switchboard.deliver(companion.key, stanza)


def said_content(row: Any) -> Any:
    """The message of a row of `said`; one of the first versions is a text."""
    content = bytes(row["content"])
    return Message.FromString(content) if content else message_content.text(row["text"])


def _shown(message: Any) -> dict[str, Any]:
    kind, text, fields = message_content.described(message)
    return {"type": kind or "protocol", "text": text, "content": fields}


def _retry_count(receipt: Any) -> int:
    retry = receipt.get_child("retry")
    count = "1" if retry is None else str(retry.attrs.get("count", "1"))
    return int(count) if count.isascii() and count.isdecimal() else 0
