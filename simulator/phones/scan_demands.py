"""Enforces what a phone demands of a client after a QR scan (a fresh secret, a passkey, nothing), kept in SQLite."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.wire.protocol_library import SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server.rules.properties import Properties
    from simulator.wire.connection import Connection

log = structlog.get_logger()

DEMANDS: Final = ("plain", "refresh", "passkey")
_REFRESH: Final = "companion_reg_refresh"


class DemandError(ValueError):
    """An unknown demand; the text lists the known ones."""


class ScanDemands:
    """Demands of each account's phone; a property of its number that survives a restart.

    A phone that demands nothing (`plain`) links whatever shows a valid QR.
    """

    def __init__(
        self, properties: Properties, request_passkey: Callable[[str, Connection, bytes], None]
    ) -> None:
        self._properties = properties
        self._request_passkey = request_passkey
        self._retired: dict[Connection, set[bytes]] = {}

    def of(self, number: str) -> str:
        """Returns the demand of the number's phone; the first of `DEMANDS` where none was set."""
        return self._properties.get(number, "linking") or DEMANDS[0]

    def change(self, number: str, demand: str) -> None:
        """Changes the demand of the phone. Raises DemandError."""
        if demand not in DEMANDS:
            raise DemandError(f"linking must be one of {', '.join(DEMANDS)}")
        self._properties.put(number, "linking", demand)

    def unmet(self, number: str, connection: Connection, secret: bytes) -> str | None:
        """Returns the demand that the client has not met; None where the phone may link it.

        Notifies the client of the demand. `secret` is the one in the scanned QR.
        """
        demand = self.of(number)
        if demand == "refresh" and not self._refreshed(connection, secret):
            log.info("secret_retired", action="secret_retired", serial=connection.serial)
            connection.push(notification(_REFRESH, Node(_REFRESH)))
            return demand
        if demand == "passkey":
            self._request_passkey(number, connection, secret)
            return demand
        return None

    def left(self, connection: Connection) -> None:
        """Drops the state of a client whose socket closed; its next secret is another one."""
        self._retired.pop(connection, None)

    def _refreshed(self, connection: Connection, secret: bytes) -> bool:
        """Returns whether the client replaced the secret in its first QR.

        As whatsapp-rust does it (handlers/notification/companion_reg.rs): the ref stays, and the QR
        is shown again with another secret.
        """
        retired = self._retired.setdefault(connection, set())
        if retired and secret not in retired:
            return True
        retired.add(secret)
        return False


def notification(kind: str, *content: Any) -> Any:
    """Returns a notification of the server to an unpaired client."""
    attrs = {"from": SERVER, "type": kind, "id": secrets.token_hex(8), "t": int(time.time())}
    return Node("notification", attrs, list(content))
