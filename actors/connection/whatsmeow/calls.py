"""Converts call events of the whatsmeow program to `Call` values; remembers callers in memory for later rejections."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.connection.abilities.port import LONGEST_CALL_ID, Call
from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import GROUP, parse_optional
from actors.connection.whatsmeow.to_nodes import ProgramDelivery
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.whatsmeow.login_channel import Link

MAX_REMEMBERED_CALLS: Final = 100
"""Calls that are remembered, to be refused."""


class Calls:
    """The calls of one login."""

    def __init__(self, people: LidMapping) -> None:
        self._people = people
        self._callers = BoundedMap[str, str](MAX_REMEMBERED_CALLS)

    def call_of(self, stanza: Node) -> Call | None:
        """The call in a delivery; None where it has no caller or no usable id, or is the account's own."""
        assert isinstance(stanza, ProgramDelivery)
        report = stanza.report or {}
        caller, number = (
            str(report.get("caller") or report.get("from") or ""),
            str(report.get("call", "")),
        )
        names = (report.get("caller_phone"), caller, report.get("caller_lid"))
        persons = [one for name in names if (one := parse_optional(name)) and one.is_person]
        if not persons or not 0 < len(number) <= LONGEST_CALL_ID:
            return None
        if any(map(self._people.is_account, persons)):
            return None
        rings = report.get("state") == "offered"
        if rings:
            self._callers[number] = caller
        else:
            self._callers.pop(number, None)
        group = parse_optional(report.get("group"))
        person = self._people.canonical(persons[0])
        return Call(
            number,
            str(person),
            int(report.get("at") or time.time()),
            "offered" if rings else "ended",
            bool(report.get("video")),
            str(group) if group is not None and group.server == GROUP else None,
            **self._people.naming(person),
        )

    async def reject(self, link: Link, call: str) -> None:
        """Have the program refuse a call, once. Raises `SendError` where no such call rings, or what `link` raises."""
        if call not in self._callers:
            raise SendError("unknown_call", permanent=True)
        await link.call("reject_call", caller=self._callers[call], call=call)
        self._callers.pop(call, None)
