"""Builds the `<failure>` of a refused login, and stores accounts' standing (good, locked, banned) in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties

# Texts beside the reasons (whatsapp-rust, stanza/connect_failure.rs).
_TEXTS: Final = {
    403: {
        "logout_message_header": "Your account is locked",
        "logout_message_subtext": "Open WhatsApp on your phone to see what you can do.",
        "logout_message_locale": "en",
    }
}
STANDINGS: Final = {"good": 0, "locked": 403, "banned": 406}
"""Standing of an account with WhatsApp, and the reason of its refusals; in WhatsApp Web's words
(whatsmeow, types/events)."""


def failure(reason: int, **attrs: Any) -> Any:
    """Builds the `<failure>` of a refused login."""
    where = {"reason": str(reason), "location": "simulator"}
    return Node("failure", {**where, **_TEXTS.get(reason, {}), **attrs})


class Standings:
    """Standing of each account with WhatsApp: a property of its number."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def of(self, number: str) -> str:
        """`good`, `locked` or `banned`."""
        return str(self._properties.value(number, "standing"))

    def refusal(self, number: str) -> Any:
        """Returns the `<failure>` for logins of the account; None for one in good standing."""
        reason = STANDINGS[self.of(number)]
        return failure(reason) if reason else None
