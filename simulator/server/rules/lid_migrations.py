"""Stores in SQLite whether an account has migrated to LIDs, and builds the properties that announce the migration.

Clients learn it at pairing and by a property of the server's experiments: whatsmeow, pair.go
`handlePairSuccess`; whatsapp-rust, src/pair.rs and src/client/lid_pn.rs `is_lid_migrated`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.wire.proto_schema import ClientPairingProps
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties

_ENABLED: Final = 9435
"""Code of `lid_one_on_one_migration_enabled` (whatsapp-rust, wacore/src/iq/abprops.rs)."""


class Migrations:
    """Migration of accounts, by default done; it survives a restart."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def done(self, number: str) -> bool:
        """Whether the account has migrated to LIDs."""
        return bool(self._properties.value(number, "migrated"))

    def change(self, number: str, *, done: bool) -> None:
        """Changes whether the account has migrated, for its next login."""
        self._properties.change(number, {"migrated": done})

    def client_props(self, number: str) -> Any:
        """Returns the client properties in `pair-success`; None where the phone sends none."""
        if not self._properties.value(number, "tells_migrated"):
            return None
        props = ClientPairingProps(is_chat_db_lid_migrated=self.done(number))
        return Node("client-props", {}, props.SerializeToString())

    def experiment(self, number: str) -> Any:
        """Returns the experiment property by which an account's devices learn it later."""
        return Node("prop", {"config_code": _ENABLED, "config_value": int(self.done(number))})
