"""Handles logins of companions (success, failure, replacement), and logouts that unlink a device."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from simulator.server.rules.login_failures import failure
from simulator.server.rules.versions import announced
from simulator.wire.protocol_library import LID_SERVER, SERVER, Node

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.faults import Faults
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.notifications import Notifications
    from simulator.server.rules.login_failures import Standings
    from simulator.server.rules.login_remarks import LoginRemarks
    from simulator.server.rules.versions import Versions
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()


class Logins:
    """Admits linked devices with their own keys; a device has one connection, the newest."""

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        people: People,
        companions: Companions,
        notifications: Notifications,
        standings: Standings,
        versions: Versions,
        login_remarks: LoginRemarks,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._faults = faults
        self._people = people
        self._companions = companions
        self._notifications = notifications
        self._standings = standings
        self._versions = versions
        self._login_remarks = login_remarks
        self._switchboard = switchboard

    def recognized(self, connection: Connection, payload: Any) -> Companion | None:
        """Returns the linked device with the keys of the client, None for an unknown client.

        A trace of the device has the login from here on, refused or not.
        """
        companion = self._companions.get(str(payload.username), int(payload.device))
        if companion is None or companion.noise != connection.client_static:
            return None
        connection.trace.identified(companion.key)
        return companion

    def log_in(self, connection: Connection, payload: Any) -> None:
        """Answers a client's login by success or failure; an older connection is replaced."""
        number, device = str(payload.username), int(payload.device)
        companion = self.recognized(connection, payload)
        refused = self._faults.strike(number, "reject_login", "ban", device=device)
        if refused is not None:
            attrs: dict[str, Any] = {}
            if refused.code is not None:
                attrs["code"] = refused.code
            expire = refused.left_at(asyncio.get_running_loop().time())
            if expire is not None:
                attrs["expire"] = expire
            connection.retire(failure(refused.reason or 503, **attrs))
            return
        if companion is None:
            log.info("login_refused", action="login_refused", serial=connection.serial)
            connection.retire(failure(401))
            return
        refusal = self._standings.refusal(number)
        if refusal is not None:
            connection.retire(refusal)
            return
        with self._store.transaction():
            self._companions.logged_in(companion, announced(payload))
            self._login_remarks.logged_in(companion, payload, connection.user_agent)
            self._store.count(number, f"logins_{connection.handshake.lower()}")
        # Users of services saw every message refused with 400 until a restart; no source names the cause.
        while (stale := self._faults.find(number, "refuse_until_login")) is not None:
            self._faults.clear(number, stale.id)
        connection.device = companion.key
        replaced = self._switchboard.login(companion.key, connection)
        if self._faults.frozen(number):
            frozen = self._faults.strike(number, "freeze", device=device)
            assert frozen is not None
            connection.freeze()
        log.info(
            "logged_in",
            action="logged_in",
            serial=connection.serial,
            device=device,
            replaced=replaced,
            passive=payload.passive,
        )
        person = self._people.named(number)
        connection.push(
            Node(
                "success",
                {
                    "t": int(time.time()),
                    "lid": person.address(LID_SERVER, device),
                    "display_name": person.name,
                    "location": "simulator",
                    "props": "27",
                    "companion_enc_static": "",
                    "creation": int(companion.paired_at),
                },
            )
        )
        routing = Node("routing_info", {}, b"simulator")
        connection.push(Node("ib", {"from": SERVER}, [Node("edge_routing", {}, [routing])]))
        end = self._versions.announcement(payload)
        if end is not None:
            connection.push(end)
        if not payload.passive:
            self._switchboard.flush(connection)

    def log_out(self, companion: Companion) -> None:
        """Unlinks a device at the request of its owner or of itself; it has to pair again.

        Runs within the caller's transaction.
        """
        self._companions.remove(companion)
        self._people.relisted(companion.number)
        self._notifications.device(companion.number, "remove", companion.device)
        farewell = Node(
            "stream:error", {"code": "401"}, [Node("conflict", {"type": "device_removed"})]
        )
        connection = self._switchboard.live(companion.key)
        if connection is not None:
            self._store.after_commit(lambda: connection.retire(farewell))
