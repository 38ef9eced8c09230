"""Keeps the phone numbers of people who show none out of stanzas to clients: such a person has a LID alone.

Accounts under a user name are such people (whatsapp-rust, `usync.rs`, and whatsmeow, `types/user.go`, know a LID without
a number).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from simulator.contacts.people import People, Person
    from simulator.server.rules.properties import Properties

NUMBER_SHOWN: Final = "number_shown"
_BESIDE: Final = ("pn", "phone_number", "pn_jid")


class HiddenNumbers:
    """Removes numbers that go along with a LID, and names the person by the LID elsewhere."""

    def __init__(self, people: People, properties: Properties) -> None:
        self._people = people
        self._properties = properties

    def hides(self, number: str) -> bool:
        """Returns whether the person shows no number."""
        return not self._properties.value(number, NUMBER_SHOWN, CONTACT)

    def without(self, node: Any) -> Any:
        """Returns the stanza as a client sees it; the same object where it names nobody who hides a number."""
        attrs, content = {}, node.content
        for name, value in node.attrs.items():
            person = self._hiding(value)
            if person is None:
                attrs[name] = value
            elif not name.endswith(_BESIDE):
                attrs[name] = person.address(LID_SERVER, value.device)
        if isinstance(content, list):
            content = [self.without(child) for child in content]
            if all(one is other for one, other in zip(content, node.content, strict=True)):
                content = node.content
        unchanged = attrs == node.attrs and content is node.content
        return node if unchanged else Node(node.tag, attrs, content)

    def _hiding(self, value: Any) -> Person | None:
        if not isinstance(value, JID) or value.server != PN_SERVER:
            return None
        person = self._people.at(value)
        return person if person is not None and self.hides(person.number) else None
