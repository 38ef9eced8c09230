"""Addresses of direct messages: all of a message's are LIDs, or all are phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol import LID_SERVER, PN_SERVER, jid_of

if TYPE_CHECKING:
    from simulator.server.rules.migration import Migrations
    from simulator.server.rules.switches import Switches

REFUSED: Final = 400
"""Error of the ack (whatsapp-rust, send/mod.rs `dm_stanza_to` and `resolve_dm_wire_jid`)."""
_NAMESPACES: Final = {PN_SERVER: PN_SERVER, LID_SERVER: LID_SERVER}


class Addresses:
    """Refuses direct messages by their addresses; what they say is read by nobody here.

    `peer_recipient_pn` is a number beside a LID, and messages between an account's own devices
    (category `peer`) go to a single one: both are free.
    """

    def __init__(self, migrations: Migrations, switches: Switches) -> None:
        self._migrations = migrations
        self._switches = switches

    def refuse(self, number: str, message: Any) -> bool:
        """Whether a direct message of the account is refused."""
        if message.attrs.get("category") == "peer":
            return False
        used = _namespaces(message)
        if len(used) > 1:
            return True
        return (
            LID_SERVER in used
            and self._switches.on("unmigrated_lid", number)
            and not self._migrations.done(number)
        )


def _namespaces(message: Any) -> set[str]:
    """The namespaces of the chat, of the devices, and of the chat whose copy is sent again."""
    named = [jid_of(message, "to"), jid_of(message, "recipient")]
    for participants in message.get_children("participants"):
        named += [jid_of(one, "jid") for one in participants.get_children("to")]
    return {
        _NAMESPACES[jid.server] for jid in named if jid is not None and jid.server in _NAMESPACES
    }
