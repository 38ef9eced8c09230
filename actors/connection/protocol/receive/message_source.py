"""Parses chat, sender and arrival (live or offline) of a message from the attributes of its stanza."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional

if TYPE_CHECKING:
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.wire_format.nodes import Node

BROADCAST: Final = "broadcast"
STATUS_CHAT: Final = "status"


class Unparseable(Exception):
    """The stanza names no sender, or itself not."""


class MessageKey(NamedTuple):
    """The name of a message at both ends, by canonical addresses."""

    chat: str
    sender: str
    message_id: str


@dataclass(frozen=True, slots=True)
class MessageSource:
    """The origin of a message; `sender` has a device."""

    chat: Address
    sender: Address
    from_me: bool


def source_of(stanza: Node, people: LidMapping) -> MessageSource | None:
    """The origin of a message; None for what is no message between people.

    That is what channels and status updates are, and the copy of what another own device sent to a
    broadcast list. A message of somebody else's to a list is said in the chat with them, as WhatsApp's
    clients show it. Raises `Unparseable`.
    """
    origin = parse_optional(stanza.attrs.get("from"))
    if origin is None or not stanza.attrs.get("id"):
        raise Unparseable
    if origin.server == GROUP or is_list(origin):
        sender = parse_optional(stanza.attrs.get("participant"))
        if sender is None or not sender.is_person:
            raise Unparseable
        from_me = people.is_account(sender)
        if origin.server == GROUP:
            return MessageSource(origin, sender, from_me)
        return None if from_me else MessageSource(people.canonical(sender), sender, from_me)
    if not origin.is_person:
        return None
    if not people.is_account(origin):
        return MessageSource(people.canonical(origin), origin, from_me=False)
    recipient = parse_optional(stanza.attrs.get("recipient")) or origin
    return MessageSource(people.canonical(recipient), origin, from_me=True)


def is_list(address: Address) -> bool:
    """Whether the address is that of somebody's broadcast list."""
    return address.server == BROADCAST and address.user != STATUS_CHAT


def arrival(stanza: Node) -> Literal["live", "offline"]:
    """Whether the stanza comes as it is sent, or waited for the device."""
    return "offline" if "offline" in stanza.attrs else "live"
