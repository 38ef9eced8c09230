"""Stores in SQLite whom each person blocked, answers queries about it, and notifies an account's devices of changes.

Shapes after whatsmeow `user.go` (UpdateBlocklist, its pull request 1137), `notification.go` (handleBlocklist), and
whatsapp-rust `src/features/blocking.rs` (its pull request 600).
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.query_errors import QueryError
from simulator.server.rules.hidden_numbers import NUMBER_SHOWN
from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.rules.lid_migrations import Migrations
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

_VERSION: Final = "blocklist_version"
_EMPTY: Final = "0"


class Blocklists:
    """Block lists of all people; they survive a restart. Changes run inside their callers' transactions."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        properties: Properties,
        migrations: Migrations,
        companions: Companions,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._people = people
        self._properties = properties
        self._migrations = migrations
        self._companions = companions
        self._switchboard = switchboard

    def of(self, number: str) -> list[str]:
        """Returns the numbers of those whom the person blocked."""
        rows = self._store.rows(
            "SELECT contact FROM blocked WHERE number = ? ORDER BY contact", number
        )
        return [row["contact"] for row in rows]

    def blocks(self, number: str, contact: str) -> bool:
        """Returns whether the person blocked the contact."""
        return contact in self.of(number)

    def change(
        self, number: str, contact: str, *, blocked: bool, author: Companion | None = None
    ) -> None:
        """Blocks a contact or ends that, and notifies the account's devices but the author."""
        if self.blocks(number, contact) == blocked:
            return
        if blocked:
            statement = "INSERT INTO blocked (number, contact) VALUES (?, ?)"
        else:
            statement = "DELETE FROM blocked WHERE number = ? AND contact = ?"
        self._store.execute(statement, number, contact)
        before = self._version(number)
        after = str(max(int(time.time() * 1000), int(before) + 1))
        self._properties.put(number, _VERSION, after)
        item = {"jid": self._address(number, contact), "action": "block" if blocked else "unblock"}
        changed = Node("blocklist", {"dhash": after, "prev_dhash": before}, [Node("item", item)])
        for companion in self._companions.of(number):
            if author is not None and companion.key == author.key:
                continue
            attrs = {
                "from": self._people.named(number).address(PN_SERVER),
                "type": "account_sync",
                "id": secrets.token_hex(8),
                "t": int(time.time()),
            }
            self._switchboard.deliver(companion.key, Node("notification", attrs, [changed]))

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """Returns the list, which a query of type `set` changes first. Raises QueryError.

        A change that names the version before it (`dhash`) gets the next one alone.
        """
        number, item = companion.number, query.get_child("item")
        if text_of(query, "type") != "set":
            return [self._list(number)]
        action = "" if item is None else text_of(item, "action")
        person = None if item is None else self._people.at(jid_of(item, "jid"))
        if action not in ("block", "unblock"):
            raise QueryError(400, "bad-request")
        if person is None:
            raise QueryError(404, "item-not-found")
        if action == "block" and self._migrations.done(number):
            shown = self._properties.value(person.number, NUMBER_SHOWN, CONTACT)
            expected = person if shown else None  # whatsmeow names the LID alone then
            beside = self._people.at(jid_of(item, "pn_jid"))
            if jid_of(item, "jid").server != LID_SERVER or beside != expected:
                raise QueryError(400, "bad-request")
        matched = text_of(item, "dhash") == self._version(number)
        self.change(number, person.number, blocked=action == "block", author=companion)
        if matched:
            return [Node("list", {"matched": "true", "dhash": self._version(number)})]
        return [self._list(number, matched="false")]

    def _list(self, number: str, **attrs: str) -> Any:
        items = [Node("item", {"jid": self._address(number, one)}) for one in self.of(number)]
        return Node("list", {**attrs, "dhash": self._version(number)}, items)

    def _address(self, number: str, contact: str) -> Any:
        server = LID_SERVER if self._migrations.done(number) else PN_SERVER
        return self._people.named(contact).address(server)

    def _version(self, number: str) -> str:
        return self._properties.get(number, _VERSION) or _EMPTY
