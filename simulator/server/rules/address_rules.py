"""Decides by addresses whether to reject a direct message: LIDs mixed with phone numbers, LIDs before a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol_library import (
    HOSTED_DEVICE,
    HOSTED_SERVERS,
    LID_SERVER,
    jid_of,
    namespace,
)

if TYPE_CHECKING:
    from simulator.server.rules.lid_migrations import Migrations
    from simulator.server.rules.switches import Switches

BAD_ADDRESS_ERROR: Final = 400
"""Error of the ack (whatsapp-rust, send/mod.rs `dm_stanza_to` and `resolve_dm_wire_jid`)."""


class AddressRules:
    """Refuses direct messages by their addresses, without their content.

    `peer_recipient_pn` is a number beside a LID, and messages between an account's own devices
    (category `peer`) go to a single one: both are free.
    """

    def __init__(self, migrations: Migrations, switches: Switches) -> None:
        self._migrations = migrations
        self._switches = switches

    def refuse(self, number: str, message: Any) -> bool:
        """Returns whether a direct message of the account is refused."""
        if message.attrs.get("category") == "peer":
            return False
        named = _named(message)
        used = {namespace(jid) for jid in named} - {None}
        if len(used) > 1 or any(_misplaced(jid) for jid in named):
            return True
        return (
            LID_SERVER in used
            and self._switches.on("unmigrated_lid", number)
            and not self._migrations.done(number)
        )


def _named(message: Any) -> list[Any]:
    """Returns the addresses of the chat, of the devices, and of the chat of a copy that is sent again."""
    named = [jid_of(message, "to"), jid_of(message, "recipient")]
    for participants in message.get_children("participants"):
        named += [jid_of(one, "jid") for one in participants.get_children("to")]
    return [jid for jid in named if jid is not None]


def _misplaced(jid: Any) -> bool:
    """Returns whether the server part of an address does not fit the kind of its device, hosted or not."""
    hosted = jid.server in HOSTED_SERVERS.values()
    return namespace(jid) is not None and hosted is not (jid.device == HOSTED_DEVICE)
