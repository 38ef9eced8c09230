"""Sends a message to a group, with the sender key for devices that lack it; returns the ack's time or raises `SendError`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from actors.connection.engine import SendError
from actors.connection.limits.ack_errors import STALE_ADDRESSING
from actors.connection.native.send.outgoing_message import GroupLetter
from actors.connection.native.send.pipeline import OutgoingStanza
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.group_keys import GroupKeys, handing
from actors.connection.native.signal.sender_keys import MAX_ITERATION, OwnSenderKey
from actors.connection.protocol import mentions
from actors.connection.protocol.identities.addresses import Address, participant_hash
from actors.connection.protocol.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.send.plaintext import poll_secret
from actors.connection.protocol.send.send_acks import failures_logged, send_errors
from actors.connection.protocol.send.to_proto import dress
from actors.connection.protocol.session_transactions import SessionRefusal, transaction
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.engine import SendRequest
    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.send.pipeline import SendPipeline
    from actors.connection.native.signal.key_agreement import Bundle
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.group_members import GroupMembers, MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session


@dataclass(slots=True)
class _Handed:
    """The devices that a message brought the sender key of this id, by the names of their sessions."""

    key_id: int = 0
    devices: tuple[str, ...] = ()


class GroupSender:
    """Sends to groups over one socket; order and commits are the pipeline's.

    One ciphertext serves all; the key for it goes along to each device that is not known to have
    it. A member that left, or a device that was unlinked, had a key that nothing is encrypted with any more:
    the next message has another.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        devices: Devices,
        rosters: MemberLists,
        socket: Socket,
        *,
        pipeline: SendPipeline,
    ) -> None:
        self._session = session
        self._keys = GroupKeys(session)
        self._people = people
        self._devices = devices
        self._rosters = rosters
        self._socket = socket
        self._pipeline = pipeline

    async def send(self, outgoing: SendRequest, chat: Address) -> float:
        """Return the server's time of its acknowledgement, in seconds. Raises `SendError`.

        Where the group's addresses changed meanwhile it is written anew and sent once more, under the
        same id. Refused for good: ``not_in_group``, ``unknown_group``, ``group_addressing_stale``.
        """
        upload = await self._pipeline.upload(outgoing, chat)
        try:
            letter, handed, ack = await self._attempt(outgoing, chat, upload)
        except SendError as refused:
            fresh = await self._explain(refused, chat)
            if refused.code != STALE_ADDRESSING or fresh is None:
                raise
            try:
                await self._forget_devices(fresh)
                letter, handed, ack = await self._attempt(outgoing, chat, upload)
            except SendError as again:
                if again.code != STALE_ADDRESSING:
                    raise
                raise SendError(STALE_ADDRESSING, permanent=True) from None
        await self._confirm(chat, handed)
        expected = ack.attrs.get("phash")
        if expected and expected != participant_hash(letter.devices):
            await self._reach_missing(letter)
        return self._pipeline.acknowledged_at(ack)

    async def _attempt(
        self, outgoing: SendRequest, chat: Address, upload: Upload | None
    ) -> tuple[GroupLetter, _Handed, Node]:
        """Send it; return it, whom it brought the key, and WhatsApp's ack. Raises `SendError`."""
        with self._pipeline.acknowledgement(outgoing.message_id) as acknowledged:
            with send_errors():
                write = partial(self._written, outgoing, chat, upload)
                letter, handed = await self._pipeline.leave(chat, write)
            return letter, handed, await self._pipeline.acknowledged(acknowledged)

    async def _forget_devices(self, roster: GroupMembers) -> None:
        """Ask for the devices of all members anew. Raises `SendError`."""
        with send_errors():
            async with transaction(self._session, self._socket):
                for person in self._rosters.persons(roster):
                    self._devices.forget(person)

    async def _written(
        self, outgoing: SendRequest, chat: Address, upload: Upload | None
    ) -> tuple[tuple[GroupLetter, _Handed], OutgoingStanza]:
        wanted = mentions.of_content(outgoing.content)
        roster = await self._rosters.of(chat, mentions.people(wanted))
        named = self._rosters.named(roster)
        account = self._people.account
        devices = await self._addressed(named, roster)
        message = self._pipeline.plaintext(
            outgoing,
            chat,
            upload,
            to=chat,
            named=lambda person: self._rosters.address(person, roster, named),
            expires=roster.expires,
            mentioned=mentions.sent(wanted, named, self._people.canonical),
        )
        letter = GroupLetter(
            outgoing.message_id,
            chat,
            message,
            dress(message),
            poll_secret(outgoing.content),
            roster,
            tuple(person for person in named if person != account),
            devices,
            self._own(named, roster),
        )
        handed = _Handed()
        encrypt = partial(self._encrypt, letter, handed)
        return (letter, handed), OutgoingStanza(self._lacking(letter), encrypt, leave_alone=True)

    def _own(self, named: Mapping[Address, Address], roster: GroupMembers) -> Address:
        """The address by which the group names this device."""
        return self._people.device.of(self._rosters.address(self._people.account, roster, named))

    async def _addressed(
        self, named: Mapping[Address, Address], roster: GroupMembers, *, fresh: bool = False
    ) -> tuple[Address, ...]:
        """Every device of the group, this one among them, as the group names them."""
        found = await self._devices.of_all(named, fresh=fresh)
        # Hosted devices are no members: they are not in the hash of a group either (whatsmeow, send.go).
        devices = [
            address.with_device(number)
            for person, address in named.items()
            for number in found[person].numbers
        ]
        return tuple(dict.fromkeys((*devices, self._own(named, roster))))

    def _lacking(self, letter: GroupLetter) -> list[Address]:
        """The devices that are to get the key: all, where there has to be another one."""
        holders = (
            {} if self._is_over(letter) else self._session.groups.key_holders(str(letter.chat))
        )
        return [
            device
            for device in letter.devices
            if self._people.session_address(device) != self._people.device
            and not holders.get(self._pipeline.fanout.name(device))
        ]

    def _is_over(self, letter: GroupLetter) -> bool:
        """Whether there is no key, or one that somebody may have who is not in the group now."""
        chat = str(letter.chat)
        own = self._keys.own(chat)
        there = {self._pipeline.fanout.name(device) for device in letter.devices}
        return (
            own is None
            or own.iteration >= MAX_ITERATION
            or not there.issuperset(self._session.groups.key_holders(chat))
        )

    async def _encrypt(
        self, letter: GroupLetter, handed: _Handed, found: dict[Address, Bundle | None]
    ) -> Node:
        """The stanza, inside a transaction."""
        chat = str(letter.chat)
        lacking = self._lacking(letter)
        own = self._keys.own(chat)
        if own is None or self._is_over(letter):
            own = OwnSenderKey.make(new_key_pair())
            self._keys.save_own(chat, own)
        key = handing(chat, own)
        targets, names = list[Node](), list[str]()
        for device in lacking:
            encrypted = await self._pipeline.fanout.encrypt_for(device, key, {}, found)
            if encrypted is not None:
                targets.append(Node("to", {"jid": str(device)}, (encrypted,)))
                names.append(self._pipeline.fanout.name(device))
            # A group of a thousand must not hold up what else there is to do.
            await asyncio.sleep(0)
        ciphertext, own = own.encrypt(wrappers.pad(letter.message))
        self._keys.save_own(chat, own)
        self._session.groups.hand_key(chat, names)
        handed.key_id, handed.devices = own.key_id, tuple(names)
        self._pipeline.remember(letter, letter.own.canonical)
        self._session.groups.expect_receipts(chat, letter.number, map(str, letter.people))
        attrs = {
            "id": letter.number,
            "to": chat,
            "phash": participant_hash(letter.devices),
            "addressing_mode": letter.roster.addressing,
            **letter.dress.attrs,
        }
        parts = list(letter.dress.parts)
        if targets:
            parts.append(Node("participants", {}, targets))
        parts += self._pipeline.device_identity(target.children()[0] for target in targets)
        parts.append(Node("enc", {"v": "2", "type": "skmsg", **letter.dress.enc}, ciphertext))
        return Node("message", attrs, parts)

    async def _confirm(self, chat: Address, handed: _Handed) -> None:
        """WhatsApp has what brings the key: it goes along no more. If this fails it goes again."""
        if not handed.devices:
            return
        try:
            async with transaction(self._session, self._socket):
                self._session.groups.handed_key(str(chat), handed.key_id, handed.devices)
        except ConnectionLost:
            return

    async def _explain(self, refused: SendError, chat: Address) -> GroupMembers | None:
        """Refresh the group's members and addresses where WhatsApp refused the message.

        Returns the fresh list of members, None where there is none. Raises `SendError` where the
        account is not among them.
        """
        if refused.code != STALE_ADDRESSING and not refused.code.startswith("refused_"):
            return None
        try:
            roster = await self._rosters.refresh(chat)
        except NotInGroup:
            raise SendError("not_in_group", permanent=True) from None
        except UnknownGroup:
            raise SendError("unknown_group", permanent=True) from None
        except (ConnectionLost, RequestFailed, RequestTimeout, *SessionRefusal):
            return None
        if not self._rosters.includes(roster, self._people.account):
            raise SendError("not_in_group", permanent=True) from None
        return roster

    async def _reach_missing(self, letter: GroupLetter) -> None:
        """WhatsApp knows other devices than the cache did: send to those that were missed."""
        with failures_logged():
            roster = await self._rosters.refresh(letter.chat)
            named = self._rosters.named(roster)
            devices = await self._addressed(named, roster, fresh=True)
            for device in devices:
                if device in letter.devices:
                    continue
                with self._pipeline.acknowledgement(letter.number) as acknowledged:
                    await self._pipeline.leave(letter.chat, partial(self._missed, letter, device))
                    await self._pipeline.acknowledged(acknowledged)

    async def _missed(
        self, letter: GroupLetter, device: Address
    ) -> tuple[GroupLetter, OutgoingStanza]:
        return letter, OutgoingStanza([device], partial(self._alone, letter, device))

    async def _alone(
        self, letter: GroupLetter, device: Address, found: dict[Address, Bundle | None]
    ) -> Node:
        """The whole message for one device, with the key for what follows."""
        chat, own = str(letter.chat), self._keys.own(str(letter.chat))
        plaintext = letter.message if own is None else handing(chat, own, letter.message)
        encrypted = await self._pipeline.fanout.encrypt_for(
            device, plaintext, letter.dress.enc, found
        )
        if encrypted is None:
            raise SendError("no_devices")
        person = str(self._people.canonical(device))
        self._session.groups.expect_receipts(chat, letter.number, [person])
        if own is not None:
            self._session.groups.hand_key(chat, [self._pipeline.fanout.name(device)])
        attrs = {
            "id": letter.number,
            "to": chat,
            "participant": str(device),
            "addressing_mode": letter.roster.addressing,
            **letter.dress.attrs,
        }
        parts = [*letter.dress.parts, encrypted]
        parts += self._pipeline.device_identity([encrypted])
        return Node("message", attrs, parts)
