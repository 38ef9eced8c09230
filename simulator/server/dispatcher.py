"""Dispatches each stanza from a client to a server handler; stanzas of one event loop turn share a transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from simulator.phones.code_pairing import LINK_CODE_TAG as LINK_CODE
from simulator.wire.protocol_library import SERVER, Node

if TYPE_CHECKING:
    from simulator.phones.code_pairing import CodePairing
    from simulator.phones.pairing import Pairing
    from simulator.phones.passkey_pairing import PasskeyPairing
    from simulator.server.calls import Calls
    from simulator.server.companions import Companions
    from simulator.server.delivery.answer_deadlines import AnswerDeadlines
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.logins import Logins
    from simulator.server.messages import MessageRouter
    from simulator.server.presence import Presence
    from simulator.server.queries import Queries
    from simulator.server.receipts import Receipts
    from simulator.server.rules.versions import Versions
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()


class Dispatcher:
    """Handles every stanza in a transaction; answers leave after its commit."""

    def __init__(
        self,
        *,
        store: Store,
        companions: Companions,
        switchboard: StanzaRouter,
        deadlines: AnswerDeadlines,
        versions: Versions,
        pairing: Pairing,
        code_pairing: CodePairing,
        passkey_pairing: PasskeyPairing,
        logins: Logins,
        queries: Queries,
        messages: MessageRouter,
        receipts: Receipts,
        presence: Presence,
        calls: Calls,
    ) -> None:
        self._store = store
        self._companions = companions
        self._switchboard = switchboard
        self._deadlines = deadlines
        self._versions = versions
        self._pairing = pairing
        self._code_pairing = code_pairing
        self._passkey_pairing = passkey_pairing
        self._logins = logins
        self._queries = queries
        self._messages = messages
        self._receipts = receipts
        self._presence = presence
        self._calls = calls
        self._arrived: list[tuple[Connection, Any]] = []

    def entered(self, connection: Connection, payload: Any) -> None:
        """Starts the pairing or the login of a client that finished its handshake."""
        # Earlier stanzas are handled before this login: from then on no stanza of the device's
        # old socket counts (G6).
        self._handle_all()
        self._logins.recognized(connection, payload)
        refusal = self._versions.refusal(payload)
        if refusal is not None:
            connection.retire(refusal)
            return
        if payload.HasField("device_pairing_data"):
            connection.registration = payload.device_pairing_data
            self._pairing.offer(connection)
        else:
            self._logins.log_in(connection, payload)

    def written(self, connection: Connection, marks: list[Any]) -> None:
        """Starts the clock of stanzas that need an answer."""
        self._deadlines.written(connection, marks)

    def left(self, connection: Connection) -> None:
        """Removes a connection whose socket closed."""
        device = connection.device
        if device is not None and self._switchboard.live(device) is connection:
            self._presence.left(device)
        self._switchboard.left(connection)
        self._deadlines.left(connection)
        self._pairing.left(connection)
        self._code_pairing.left(connection)
        self._passkey_pairing.left(connection)

    def handle(self, connection: Connection, stanza: Any) -> None:
        """Queues a stanza until the end of the loop's turn, whose stanzas share a transaction.

        A failed handler rolls back its stanza alone and is logged; the client gets no answer, as from
        a server that lost the stanza.
        """
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._handle_all)
        self._arrived.append((connection, stanza))

    def _handle_all(self) -> None:
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        with self._store.transaction():
            for connection, stanza in arrived:
                try:
                    with self._store.savepoint():
                        self._dispatch(connection, stanza)
                except Exception:
                    log.exception(
                        "stanza_failed",
                        action="stanza_failed",
                        serial=connection.serial,
                        tag=stanza.tag,
                    )

    def _dispatch(self, connection: Connection, stanza: Any) -> None:
        companion = None if connection.device is None else self._companions.get(*connection.device)
        if stanza.tag == "iq" and stanza.attrs.get("type") in ("result", "error"):
            if connection.registration is not None:
                self._pairing.answered(connection, stanza)
            return
        if companion is None:
            if stanza.tag == "iq":
                self._answer_before_login(connection, stanza)
            return
        handlers = {
            "iq": self._queries.answer,
            "message": self._messages.handle,
            "receipt": self._receipts.handle,
            "ack": self._receipts.acked,
            "call": self._calls.handle,
            "ib": self._switchboard.requested,
        }
        if stanza.tag in handlers:
            handlers[stanza.tag](connection, companion, stanza)
        elif stanza.tag in ("presence", "chatstate"):
            self._presence.handle(companion, stanza)
        # all else has no answer

    def _answer_before_login(self, connection: Connection, query: Any) -> None:
        if connection.registration is not None and query.get_child(LINK_CODE) is not None:
            self._code_pairing.answer(connection, query)
            return
        if self._passkey_pairing.is_step(connection, query):
            self._passkey_pairing.answer(connection, query)
            return
        attrs = {"from": SERVER, "type": "result", "id": query.attrs.get("id", "")}
        connection.send(Node("iq", attrs))
