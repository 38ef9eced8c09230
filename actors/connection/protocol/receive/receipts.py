"""Builds acks and nacks, and parses receipts that arrive.

An ack reports to the server that a stanza need not come again, a nack why nothing came of it. Both leave only after
what they vouch for is committed (G5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from actors.connection.protocol.wire_format.nodes import Node

_ROUTING = ("participant", "recipient")

UNPARSEABLE: Final = 487
"""The error of a nack (whatsmeow, receipt.go)."""


def ack(stanza: Node) -> Node:
    """The server's receipt for any stanza: message, receipt, notification or call."""
    attrs = {
        "class": stanza.tag,
        "id": stanza.attrs.get("id", ""),
        "to": stanza.attrs.get("from", ""),
        **_routing(stanza),
    }
    if stanza.tag != "message" and "type" in stanza.attrs:
        attrs["type"] = stanza.attrs["type"]
    return Node("ack", attrs)


def nack(stanza: Node, error: int) -> Node:
    """The ack of a stanza that nothing came of, and that need not come again all the same."""
    accepted = ack(stanza)
    return Node("ack", {**accepted.attrs, "error": str(error)})


def _routing(stanza: Node) -> dict[str, str]:
    return {name: stanza.attrs[name] for name in _ROUTING if name in stanza.attrs}


@dataclass(frozen=True, slots=True)
class Receipt:
    """An incoming receipt; `status` is None for kinds that change nothing here."""

    message_ids: tuple[str, ...]
    status: Literal["delivered", "read", "retry"] | None
    at: int


_STATUSES: dict[str, Literal["delivered", "read", "retry"]] = {
    "": "delivered",
    "delivery": "delivered",
    "read": "read",
    "played": "read",
    "retry": "retry",
}


OWN_READING: Final = frozenset({"read", "read-self"})
"""Types of the receipts by which another device of the account says that it read something."""


def of_members(stanza: Node) -> list[tuple[str, Receipt]]:
    """The receipts in one of a group's messages, each with the address of its member.

    It is one member's, or names several of them by the message. A member without a type or a time has that of the
    stanza, and a message without an id has the stanza's (whatsapp-rust, receipt.rs).
    """
    receipt = read(stanza)
    if (participant := stanza.attrs.get("participant")) is not None:
        return [(participant, receipt)]
    return [
        (user.attrs["jid"], Receipt((number,), status, user.number("t") or receipt.at))
        for part in stanza.children("participants")
        if (number := _first(part, "message_id", "key") or stanza.attrs.get("id", ""))
        for user in part.children("user")
        if "jid" in user.attrs
        for status in (_STATUSES.get(_first(user, "type") or stanza.attrs.get("type", "")),)
    ]


def _first(node: Node, *names: str) -> str:
    """The first of these attributes that is there and not empty; "" without any."""
    return next(filter(None, map(node.attrs.get, names)), "")


def read(stanza: Node) -> Receipt:
    """The receipt in a stanza: one id, or several where it carries a list."""
    number = stanza.attrs.get("id", "")
    listed = [
        item.attrs["id"]
        for part in stanza.children("list")
        for item in part.children("item")
        if "id" in item.attrs
    ]
    return Receipt(
        message_ids=(number, *listed),
        status=_STATUSES.get(stanza.attrs.get("type", "")),
        at=stanza.number("t") or 0,
    )
