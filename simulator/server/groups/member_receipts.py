"""Sends members' receipts for a group message to its author's linked devices, each by itself or aggregated.

Shapes after whatsmeow `receipt.go` (handleGroupedReceipt) and whatsapp-rust `src/receipt.rs` (handle_receipt_inline):
aggregated by type, members share the type of the stanza; aggregated by message, each member has a type.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.message_handler import confirmations
from simulator.server import stanzas
from simulator.server.rules.properties import GROUP_PROPERTIES
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoint
    from simulator.server.companions import Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Group
    from simulator.server.rules.properties import Properties

_DELIVERY: Final = "delivery"
"""A member's type for a receipt without one."""


@dataclass(frozen=True)
class MemberReceipt:
    """A receipt of a member's device: its address, the type, and the delay in seconds."""

    member: Any
    kind: str
    delay: float = 0.0


class GroupReceipts:
    """Sends receipts of groups. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        people: People,
        companions: Companions,
        properties: Properties,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._companions = companions
        self._properties = properties
        self._switchboard = switchboard

    def confirm(
        self, endpoints: Sequence[SignalEndpoint], author: str, message_id: str, group: Group
    ) -> None:
        """Sends the receipts of simulated members' devices, without those of the author."""
        receipts = []
        for endpoint in endpoints:
            person = self._people.named(endpoint.number)
            member = person.address(group.server, endpoint.device)
            if person.number != author:
                confirmed = confirmations(person, endpoint.device)
                receipts += [MemberReceipt(member, kind, delay) for kind, delay in confirmed]
        self.send(author, message_id, group.address, receipts)

    def send(
        self, author: str, message_id: str, group: Any, receipts: Sequence[MemberReceipt]
    ) -> None:
        """Sends receipts for one message of the group at that address; aggregated ones after the longest delay."""
        how = self._properties.value(str(group), "receipts", GROUP_PROPERTIES)
        now = time.time()
        for companion in self._companions.of(author):
            for stanza, delay in _SHAPES[how](group, message_id, receipts, now):
                self._switchboard.deliver(companion.key, stanza, delay)


def _each(
    group: Any, message_id: str, receipts: Sequence[MemberReceipt], now: float
) -> Iterator[tuple[Any, float]]:
    """One stanza for each receipt."""
    for one in receipts:
        stanza = stanzas.receipt(group, message_id, one.kind, now + one.delay)
        stanza.attrs["participant"] = one.member
        yield stanza, one.delay


def _by_type(
    group: Any, message_id: str, receipts: Sequence[MemberReceipt], now: float
) -> Iterator[tuple[Any, float]]:
    """One stanza for each type, with all members that sent it."""
    for kind in dict.fromkeys(one.kind for one in receipts):
        of_type = [one for one in receipts if one.kind == kind]
        users = [_user(one, now) for one in of_type]
        participants = Node("participants", {"key": message_id}, users)
        yield _aggregated(group, kind, of_type, participants, now)


def _by_message(
    group: Any, message_id: str, receipts: Sequence[MemberReceipt], now: float
) -> Iterator[tuple[Any, float]]:
    """One stanza with the last receipt of each member."""
    last = list({str(one.member): one for one in receipts}.values())
    if last:
        users = [_user(one, now, type=one.kind or _DELIVERY) for one in last]
        participants = Node("participants", {"message_id": message_id}, users)
        yield _aggregated(group, "", last, participants, now)


def _user(receipt: MemberReceipt, now: float, **more: str) -> Any:
    return Node("user", {"jid": receipt.member, "t": int(now + receipt.delay), **more})


def _aggregated(
    group: Any, kind: str, receipts: Sequence[MemberReceipt], participants: Any, now: float
) -> tuple[Any, float]:
    """Returns the stanza, under an id of its own, and its delay."""
    delay = max(one.delay for one in receipts)
    stanza_id = secrets.token_hex(8).upper()
    return stanzas.receipt(group, stanza_id, kind, now + delay, [participants]), delay


_SHAPES: Final = {"each": _each, "by_type": _by_type, "by_message": _by_message}
