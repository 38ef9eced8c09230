"""Plays calls of simulated contacts: offers them to an account's devices, which may decline; in memory, no audio.

Shapes after whatsmeow `call.go` (handleCallEvent, RejectCall) and whatsapp-rust `wacore/src/stanza/call.rs`
(parse_call_stanza, build_reject).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.people import ADDRESSINGS
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, SERVER, Node, jid_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.profiles.blocklist import Blocklists
    from simulator.wire.connection import Connection

_RATES: Final = ("8000", "16000")


@dataclass
class Call:
    """A call of a contact's to an account."""

    id: str
    caller: str
    to: str
    video: bool
    server: str
    at: float
    state: str = "ringing"
    """Or `ended`, by the caller, or `rejected`, by the device `by`."""
    by: int | None = None


class Calls:
    """All calls since the process began. Offers and ends wait in the queue like other stanzas."""

    def __init__(
        self,
        people: People,
        companions: Companions,
        blocklists: Blocklists,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._companions = companions
        self._blocklists = blocklists
        self._switchboard = switchboard
        self._calls: dict[str, Call] = {}

    def of(self, caller: str) -> list[dict[str, Any]]:
        """The calls of a contact, oldest first."""
        return [
            {
                name: value
                for name, value in asdict(call).items()
                if name not in ("caller", "server")
            }
            for call in self._calls.values()
            if call.caller == caller
        ]

    def ring(self, caller: str, to: str, *, video: bool, addressing: str | None) -> str:
        """Offers a call to all devices of the account, unless it blocked the caller; returns its id."""
        person = self._people.named(caller)
        server = ADDRESSINGS[addressing] if addressing else person.addressing or PN_SERVER
        id_ = secrets.token_hex(16).upper()
        call = self._calls[id_] = Call(id_, caller, to, video, server, time.time())
        content = [Node("audio", {"enc": "opus", "rate": rate}) for rate in _RATES]
        if video:
            content.append(Node("video", {"enc": "vp8", "dec": "vp8", "orientation": "0"}))
        attrs: dict[str, Any] = {
            "caller_country_code": "US",
            "device_class": "2013",
            "joinable": "1",
        }
        if server == LID_SERVER:
            attrs["caller_pn"] = person.address(PN_SERVER)
        else:
            attrs["caller_lid"] = person.address(LID_SERVER)
        for companion in self._listeners(call):
            self._send(companion, call, "offer", attrs, content)
        return id_

    def end(self, caller: str) -> list[str]:
        """The contact hangs up: ends the calls of theirs that ring; returns their ids."""
        ended = [
            call
            for call in self._calls.values()
            if call.caller == caller and call.state == "ringing"
        ]
        for call in ended:
            call.state = "ended"
            for companion in self._listeners(call):
                self._send(companion, call, "terminate", {"reason": "timeout"})
        return [call.id for call in ended]

    def _listeners(self, call: Call) -> Sequence[Companion]:
        blocked = self._blocklists.blocks(call.to, call.caller)
        return () if blocked else self._companions.of(call.to)

    def handle(self, connection: Connection, companion: Companion, stanza: Any) -> None:
        """Handles a stanza of a device about a call; a `reject` declines a ringing one on all devices.

        The ack leaves after the caller's commit.
        """
        reject = stanza.get_child("reject")
        call = None if reject is None else self._calls.get(text_of(reject, "call-id"))
        if call is not None and call.to == companion.number and call.state == "ringing":
            call.state, call.by = "rejected", companion.device
            for other in self._companions.of(companion.number):
                if other.device != companion.device:
                    self._send(other, call, "terminate", {"reason": "rejected_elsewhere"})
        to = jid_of(stanza, "to")
        attrs = {"class": "call", "id": text_of(stanza, "id"), "from": SERVER if to is None else to}
        if stanza.get_children():
            attrs["type"] = stanza.get_children()[0].tag
        connection.send(Node("ack", attrs))

    def _send(
        self,
        companion: Companion,
        call: Call,
        what: str,
        more: dict[str, Any],
        content: list[Any] | None = None,
    ) -> None:
        person = self._people.named(call.caller)
        address = person.address(call.server)
        part = Node(what, {"call-id": call.id, "call-creator": address, **more}, content)
        attrs = {
            "from": address,
            "id": secrets.token_hex(16).upper(),
            "t": int(time.time()),
            "notify": person.name,
            "platform": "android",
            "version": "2.26.44.73",
            "e": "0",
        }
        self._switchboard.deliver(companion.key, Node("call", attrs, [part]))
