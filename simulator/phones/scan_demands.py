"""Demands of a phone on the client whose QR it scanned, before it links it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.wire.protocol import SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server.rules.properties import Properties
    from simulator.wire.connection import Connection

log = structlog.get_logger()

DEMANDS: Final = ("plain", "refresh", "passkey")
_REFRESH: Final = "companion_reg_refresh"


class DemandError(ValueError):
    """No phone demands that; the text names what there is."""


class ScanDemands:
    """Demands of each account's phone; a property of its number that survives a restart.

    A phone that demands nothing (`plain`) links whatever shows a valid QR.
    """

    def __init__(
        self, properties: Properties, ask_for_passkey: Callable[[str, Connection, bytes], None]
    ) -> None:
        self._properties = properties
        self._ask_for_passkey = ask_for_passkey
        self._retired: dict[Connection, set[bytes]] = {}

    def of(self, number: str) -> str:
        return self._properties.get(number, "linking") or DEMANDS[0]

    def change(self, number: str, demand: str) -> None:
        """Changes what the phone demands from now on. Raises DemandError."""
        if demand not in DEMANDS:
            raise DemandError(f"linking must be one of {', '.join(DEMANDS)}")
        self._properties.put(number, "linking", demand)

    def unmet(self, number: str, connection: Connection, secret: bytes) -> str | None:
        """The demand that keeps the phone from linking the client now; None where there is none.

        The client is told what is demanded of it. `secret` is the one in the QR that was scanned.
        """
        demand = self.of(number)
        if demand == "refresh" and not self._refreshed(connection, secret):
            log.info("secret_retired", action="secret_retired", serial=connection.serial)
            connection.push(notification(_REFRESH, Node(_REFRESH)))
            return demand
        if demand == "passkey":
            self._ask_for_passkey(number, connection, secret)
            return demand
        return None

    def left(self, connection: Connection) -> None:
        """The client's socket closed: a secret that it registers with anew is another one."""
        self._retired.pop(connection, None)

    def _refreshed(self, connection: Connection, secret: bytes) -> bool:
        """Whether the client replaced the secret that it showed first.

        As whatsapp-rust does it (handlers/notification/companion_reg.rs): the ref stays, and the QR
        is shown again with another secret.
        """
        retired = self._retired.setdefault(connection, set())
        if retired and secret not in retired:
            return True
        retired.add(secret)
        return False


def notification(kind: str, *content: Any) -> Any:
    """A notification of the server's to a client that is not paired."""
    attrs = {"from": SERVER, "type": kind, "id": secrets.token_hex(8), "t": int(time.time())}
    return Node("notification", attrs, list(content))
