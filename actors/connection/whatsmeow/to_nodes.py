"""Converts messages, receipts and notifications from the whatsmeow program to stanza nodes for the receive code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.connection.protocol.identities.addresses import GROUP, LID, parse_optional
from actors.connection.protocol.receive.message_source import is_list
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.whatsmeow.program.frames import Frame


@dataclass(frozen=True, slots=True)
class ProgramDelivery(Node):
    """A stanza that waits for the answer to the program's request of this number (`request`).

    `kind` is that request, `report` its header, `body` the bytes that it brought: of a message, what was
    decrypted. `answer` has the fields of the reply to the program beside its success.
    """

    request: int = 0
    kind: str = ""
    report: Mapping[str, Any] | None = None
    body: bytes = b""
    answer: Mapping[str, Any] | None = None


def delivery_of(request: int, kind: str, frame: Frame) -> ProgramDelivery:
    """The delivery in a request of the program."""
    report = frame.header
    make = _MADE.get(kind)
    tag, attrs, parts = (kind, {}, ()) if make is None else make(report)
    return ProgramDelivery(tag, attrs, parts, request, kind, report, frame.body)


def _message(report: Mapping[str, Any]) -> tuple[str, dict[str, str], tuple[Node, ...]]:
    attrs = {
        "id": _text(report, "message_id"),
        "t": _text(report, "at"),
        "notify": _text(report, "push_name"),
        "category": _text(report, "category"),
        **_addresses(report),
    }
    if report.get("offline"):
        attrs["offline"] = "1"
    kind = _text(report, "kind")
    parts = (Node("unavailable", {"type": kind}),) if kind else ()
    return "message", _without_empty(attrs), parts


def _receipt(report: Mapping[str, Any]) -> tuple[str, dict[str, str], tuple[Node, ...]]:
    ids = [str(one) for one in report.get("ids") or ()]
    attrs = {
        "id": ids[0] if ids else "",
        "t": _text(report, "at"),
        "type": _text(report, "type"),
        **_addresses(report),
    }
    items = tuple(Node("item", {"id": one}) for one in ids[1:])
    return "receipt", _without_empty(attrs), (Node("list", {}, items),) if items else ()


def _call(report: Mapping[str, Any]) -> tuple[str, dict[str, str], tuple[Node, ...]]:
    attrs = {
        "from": _text(report, "caller"),
        "sender_pn": _text(report, "caller_phone"),
        "sender_lid": _text(report, "caller_lid"),
    }
    return "call", _without_empty(attrs), ()


def _addresses(report: Mapping[str, Any]) -> dict[str, str]:
    """The addresses on the wire: whence, by whom, to whom, and the other ones of these people."""
    chat, sender = _text(report, "chat"), _text(report, "sender")
    other, theirs = _text(report, "sender_alt"), _text(report, "recipient_alt")
    where = parse_optional(chat)
    if where is not None and (where.server == GROUP or is_list(where)):
        return {"from": chat, "participant": sender, **_other("participant", other)}
    found = {"from": sender, **_other("sender", other)}
    if report.get("from_me"):
        found |= {"recipient": chat, **_other("peer_recipient", theirs)}
    elif where is None or not where.is_person:
        found["from"] = chat
    return found


def _other(who: str, address: str) -> dict[str, str]:
    found = parse_optional(address)
    if found is None or not found.is_person:
        return {}
    return {f"{who}_{'lid' if found.server == LID else 'pn'}": address}


def _text(report: Mapping[str, Any], name: str) -> str:
    value = report.get(name)
    return "" if value is None else str(value)


def _without_empty(attrs: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attrs.items() if value}


_MADE = {
    "message": _message,
    "undecryptable": _message,
    "history": _message,
    "receipt": _receipt,
    "call": _call,
}
