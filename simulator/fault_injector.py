"""Injects faults at once: cuts or freezes an account's sockets, unlinks devices, sends odd stanzas; ends lasting ones."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from simulator.server.delivery.stanza_router import CONFLICT_REPLACED
from simulator.server.malformed_stanzas import FAULTS as ODD_STANZAS
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.faults import Fault, Faults
    from simulator.server.companions import Companions
    from simulator.server.delivery.answer_deadlines import AnswerDeadlines
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.logins import Logins
    from simulator.server.malformed_stanzas import MalformedStanzas
    from simulator.store import Store
    from simulator.wire.connection import Connection


def _owed_an_ack() -> tuple[Any, Any]:
    """Returns the stream error for a client that did not answer a stanza (whatsapp-rust #659, #1101).

    The stanza in it is invented: the fault tests how a client handles the error.
    """
    ack = Node("ack", {"class": "message", "type": "text", "id": secrets.token_hex(8).upper()})
    return Node("stream:error", {}, [ack]), Node("xmlstreamend")


class FaultInjector:
    """Injects faults into sockets, and reverts lasting ones at their end."""

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        companions: Companions,
        switchboard: StanzaRouter,
        deadlines: AnswerDeadlines,
        logins: Logins,
        odd_stanzas: MalformedStanzas,
    ) -> None:
        self._store = store
        self._faults = faults
        self._companions = companions
        self._switchboard = switchboard
        self._deadlines = deadlines
        self._logins = logins
        self._odd_stanzas = odd_stanzas

    def strike(self, fault: Fault) -> int:
        """Injects an instant fault, or begins a lasting one; returns the number of affected sockets.

        For an odd stanza it returns the number of devices in whose queues it is.
        """
        if fault.lasts is not None:
            loop = asyncio.get_running_loop()
            fault.ends_at = loop.time() + fault.lasts
            loop.call_later(fault.lasts, self.clear, None, fault.id)
        if fault.kind in ODD_STANZAS:
            with self._store.transaction():
                fault.struck += self._odd_stanzas.send(
                    fault.kind, fault.account, device=fault.device, contact=fault.contact
                )
            return fault.struck
        connections = self._switchboard.of(fault.account, fault.device)
        actions: dict[str, Callable[[Connection], None]] = {
            "drop": lambda connection: connection.retire(),
            "abort": lambda connection: connection.abort(),
            "freeze": lambda connection: connection.freeze(),
            "ban": lambda connection: connection.retire(),
            "replaced": lambda connection: connection.retire(CONFLICT_REPLACED),
            "stream_error": lambda connection: connection.retire(
                Node("stream:error", {"code": str(fault.code)})
            ),
            # the stream error for a stanza without an answer
            "stream_ack": lambda connection: connection.retire(*_owed_an_ack()),
            # `log_out` notifies the device, online or at its next login
            "logout": lambda _: None,
        }
        if fault.kind not in actions:
            return 0
        for connection in connections:
            actions[fault.kind](connection)
        if fault.kind == "logout":
            with self._store.transaction():
                for companion in self._companions.of(fault.account):
                    if fault.device in (None, companion.device):
                        self._logins.log_out(companion)
        fault.struck += len(connections)
        return len(connections)

    def clear(self, account: str | None = None, fault_id: int | None = None) -> int:
        """Ends rules and releases the stanzas that they held back; returns the number of ended rules."""
        ended = self._faults.clear(account, fault_id)
        for fault in ended:
            if fault.kind == "freeze" and not self._faults.frozen(fault.account):
                for connection in self._switchboard.of(fault.account):
                    connection.thaw()
                    self._deadlines.restart(connection)
            if fault.kind == "reorder":
                self._switchboard.release(fault.account, fault.device)
        return len(ended)
