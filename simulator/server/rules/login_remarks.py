"""Counts in SQLite fields of WhatsApp Web that a client's login or registration lacks, as remarks; refuses no client.

No source shows that the server refuses any of it. Of the clients that live on WhatsApp Baileys sends no
`lc` (`Utils/validate-connection.ts` generateLoginNode), whatsmeow the name of a library
(`socket/framesocket.go` Connect: Go's own User-Agent), and what `lidDbMigrated` says differs; whatsapp-rust found
sessions dead whose `lc` stayed 0 (its issue 630).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.wire.proto_schema import DeviceProps, LoginFlags

if TYPE_CHECKING:
    from simulator.server.companions import Companion
    from simulator.server.rules.remarks import Remarks

_BROWSER = "Mozilla/"
_LIBRARIES = frozenset({"whatsmeow", "rust"})
"""Names of a device in the account's list of linked ones where a program left the library's default (whatsmeow
`store/clientpayload.go` DeviceProps, whatsapp-rust `store/device.rs` DEVICE_PROPS)."""


class LoginRemarks:
    """Adds remarks for fields that WhatsApp Web sends and a client lacks. Runs inside its caller's transaction."""

    def __init__(self, remarks: Remarks) -> None:
        self._remarks = remarks

    def logged_in(self, companion: Companion, payload: Any, user_agent: str) -> None:
        """Adds remarks on a login; `companion` is in the state before it.

        `user_agent` is the header's value, empty without one.
        """
        flags = LoginFlags.FromString(payload.SerializeToString())
        if not flags.HasField("lc") or (flags.lc == 0 and companion.logins):
            self._remarks.add(companion.number, "lc")
        if not flags.HasField("lid_db_migrated"):
            self._remarks.add(companion.number, "lid_db_migrated")
        if user_agent and not user_agent.startswith(_BROWSER):
            self._remarks.add(companion.number, "user_agent")

    def paired(self, number: str, registration: Any) -> None:
        """Adds remarks on the registration of a client that the phone links."""
        props = DeviceProps.FromString(registration.device_props)
        if not props.HasField("history_sync_config"):
            self._remarks.add(number, "history_sync_config")
        if props.os.lower() in _LIBRARIES:
            self._remarks.add(number, "library_name")
