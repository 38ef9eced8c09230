"""Defines outgoing messages to a person or a group before encryption: plaintext, recipients, devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.connection.native.identities.addressing_mode import Route
    from actors.connection.native.identities.recipient_devices import Everyone
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.group_members import GroupMembers
    from actors.connection.protocol.send.to_proto import Dress
    from actors.connection.session.messages.message_secrets import MessageSecret


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to a chat, not padded, under the caller's id `number`.

    `chat` is a canonical address. `poll` is what the votes will be read with, where it is one.
    """

    number: str
    chat: Address
    message: bytes
    dress: Dress
    poll: MessageSecret | None


@dataclass(frozen=True, slots=True)
class DirectLetter(Letter):
    """A message to a person, and its copy for the account's own devices.

    `route` has the addresses of the stanza, `everyone` the devices that it is for. `missed`: they are devices
    that the message did not reach when it was sent.
    """

    copy: bytes
    route: Route
    everyone: Everyone
    missed: bool = False


@dataclass(frozen=True, slots=True)
class GroupLetter(Letter):
    """A message to a group for these persons and devices, the account's own devices among them.

    `own` is this device, as the group names it.
    """

    roster: GroupMembers
    people: tuple[Address, ...]
    devices: tuple[Address, ...]
    own: Address
