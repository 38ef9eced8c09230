"""Builds the client's usync queries and parses the answers: people's devices, LIDs, who is on WhatsApp."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.protocol.identities.addresses import PHONE_NUMBER, Address, parse_optional
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


MAX_DEVICE: Final = 255
"""A device's number is one byte on the wire."""

HOSTED: Final = 99
"""The number of the device that Meta hosts for a business (whatsmeow, user.go)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """WhatsApp's list for one person: its devices (0 is the phone), and its LID if named.

    `indexes` are the key indexes of devices, `signed` is the phone's own list of those that count.
    `hosted` are devices of a business that are Meta's: they read nothing, and are not in `devices`.
    """

    devices: tuple[int, ...]
    lid: Address | None
    indexes: Mapping[int, int] = field(default_factory=dict)
    signed: bytes = b""
    hosted: tuple[int, ...] = ()

    def joined(self, other: Listed) -> Listed:
        """All that either of two lists of the same person has."""
        return Listed(
            tuple(dict.fromkeys((*self.devices, *other.devices))),
            self.lid or other.lid,
            {**other.indexes, **self.indexes},
            self.signed or other.signed,
            tuple(dict.fromkeys((*self.hosted, *other.hosted))),
        )


def devices_query(people: Iterable[Address]) -> Node:
    """Ask for the devices and the LID of each person."""
    users = tuple(Node("user", {"jid": str(person.canonical)}) for person in people)
    return _usync("message", (Node("devices", {"version": "2"}), Node("lid")), users)


def devices_answer(reply: Node) -> dict[Address, Listed]:
    """The people WhatsApp lists devices for; one that it does not know is missing or has none."""
    listed = {}
    for person, user in _users(reply):
        devices = {
            number: device
            for part in user.children("devices")
            for listing in part.children("device-list")
            for device in listing.children("device")
            if (number := device.number("id")) is not None and number <= MAX_DEVICE
        }
        hosted = tuple(number for number, device in devices.items() if _is_hosted(number, device))
        numbers = tuple(number for number in devices if number not in hosted)
        signed = [part.bytes_of("key-index-list") for part in user.children("devices")]
        lid = user.child("lid")
        listed[person] = Listed(
            numbers,
            parse_optional(lid.attrs.get("val")) if lid is not None else None,
            {
                one: index
                for one in numbers
                if (index := devices[one].number("key-index")) is not None
            },
            next(filter(None, signed), b""),
            hosted,
        )
    return listed


def _is_hosted(number: int, device: Node) -> bool:
    return number == HOSTED or device.attrs.get("is_hosted") == "true"


def contacts_query(number: Address) -> Node:
    """Ask whether a phone number is on WhatsApp."""
    contact = Node("contact", {}, f"+{number.user}".encode())
    return _usync("interactive", (Node("contact"),), (Node("user", {}, (contact,)),))


def contact_answer(reply: Node, person: Address) -> Address | None:
    """The person's number, as WhatsApp has it; None where nobody has the number that was asked about.

    It may differ from the one that was asked about, as in Brazil by the ninth digit. The answer names
    it as ``jid``, or as ``pn_jid`` beside a LID (whatsmeow, user.go); a LID alone leaves the number.
    """
    for user in _nodes(reply):
        if any(contact.attrs.get("type") == "in" for contact in user.children("contact")):
            return next(_numbers(user), person)
    return None


def text_query(person: Address) -> Node:
    """Ask for the text of a person's profile."""
    user = Node("user", {"jid": str(person.canonical)})
    return _usync("interactive", (Node("status"),), (user,))


def text_answer(reply: Node) -> str:
    """The text of the person's profile; empty where there is none, or it is hidden."""
    texts = (user.bytes_of("status").decode(errors="replace") for user in _nodes(reply))
    return next(texts, "")


def names_number(reply: Node) -> bool:
    """Whether the answer names the person's number, and not a LID alone."""
    return any(True for user in _nodes(reply) for _ in _numbers(user))


def _numbers(user: Node) -> Iterator[Address]:
    addresses = (parse_optional(user.attrs.get(name)) for name in ("jid", "pn_jid"))
    return (one.canonical for one in addresses if one and one.server == PHONE_NUMBER)


def can_be_queried(person: Address) -> bool:
    """Whether `contacts_query` can ask about this address: only phone numbers have an answer."""
    return person.server == PHONE_NUMBER


def _usync(context: str, query: tuple[Node, ...], users: tuple[Node, ...]) -> Node:
    attrs = {
        "sid": secrets.token_hex(8),
        "mode": "query",
        "last": "true",
        "index": "0",
        "context": context,
    }
    parts = (Node("query", {}, query), Node("list", {}, users))
    return iq("get", "usync", (Node("usync", attrs, parts),))


def _users(reply: Node) -> Iterator[tuple[Address, Node]]:
    for user in _nodes(reply):
        person = parse_optional(user.attrs.get("jid"))
        if person is not None:
            yield person.canonical, user


def _nodes(reply: Node) -> Iterator[Node]:
    for part in reply.children("usync"):
        for listing in part.children("list"):
            yield from listing.children("user")
