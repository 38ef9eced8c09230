"""Answers queries for an account's privacy settings, and notifies devices of a change of the read-receipt setting.

Shapes after whatsmeow `privacysettings.go` and `notification.go` (handleAccountSyncNotification).
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.query_errors import QueryError
from simulator.server.rules.properties import PropertyError
from simulator.wire.protocol_library import PN_SERVER, Node, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.rules.properties import Properties

_READ_RECEIPTS: Final = "readreceipts"
_FIXED: Final = ("profile", "status", "online", "last", "groupadd", "calladd")


class Privacy:
    """Answers queries for the settings, and notifies an account's devices of a change."""

    def __init__(
        self,
        properties: Properties,
        people: People,
        companions: Companions,
        switchboard: StanzaRouter,
    ) -> None:
        self._properties = properties
        self._people = people
        self._companions = companions
        self._switchboard = switchboard

    def hides_reading(self, number: str) -> bool:
        """Returns whether the account sends no read receipts."""
        return bool(self._properties.value(number, "read_receipts") == "none")

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """Returns the settings; a query of type `set` changes the one for read receipts. Raises QueryError."""
        if text_of(query, "type") == "set":
            self._change(companion, query.get_child("privacy"))
        categories = [self._read_receipts(companion.number)]
        categories += [Node("category", {"name": name, "value": "all"}) for name in _FIXED]
        return [Node("privacy", {}, categories)]

    def announce(self, number: str, *, but: Companion | None = None) -> None:
        """Notifies the account's devices, `but` the one that changed it, of the setting for read receipts."""
        address = self._people.named(number).address(PN_SERVER)
        for companion in self._companions.of(number):
            if but is not None and companion.key == but.key:
                continue
            attrs = {"from": address, "type": "account_sync", "t": int(time.time())}
            changed = Node("privacy", {}, [self._read_receipts(number)])
            stanza = Node("notification", {**attrs, "id": secrets.token_hex(8)}, [changed])
            self._switchboard.deliver(companion.key, stanza)

    def _change(self, companion: Companion, settings: Any) -> None:
        for category in () if settings is None else settings.get_children("category"):
            if category.attrs.get("name") != _READ_RECEIPTS:
                continue
            value = text_of(category, "value")
            try:
                self._properties.change(companion.number, {"read_receipts": value})
            except PropertyError as error:
                raise QueryError(400, "bad-request") from error
            self.announce(companion.number, but=companion)

    def _read_receipts(self, number: str) -> Any:
        value = self._properties.value(number, "read_receipts")
        return Node("category", {"name": _READ_RECEIPTS, "value": value})
