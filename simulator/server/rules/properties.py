"""Declares named properties of accounts, contacts and groups, stored in SQLite, which the control API can change.

Each property is declared once, in `ACCOUNT`, `CONTACT` or `GROUP_PROPERTIES`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.store import Store

EVERYONE: Final = ""
"""The number of properties that hold for all accounts without one of their own."""


class PropertyError(ValueError):
    """An unknown property or value; the text lists the known ones."""


@dataclass(frozen=True)
class Property:
    """A declared property: its default and its valid values.

    One of `words`; without words a boolean or a number of at least 0, by the type of `default`. A
    property without a default accepts numbers and None.
    """

    default: str | bool | float | None
    words: tuple[str, ...] = ()

    def taken(self, value: Any) -> bool:
        """Returns whether a value is valid."""
        if self.words:
            return value in self.words
        if isinstance(self.default, bool):
            return isinstance(value, bool)
        if value is None:
            return self.default is None
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


ACCOUNT: Final = {
    "standing": Property("good", ("good", "locked", "banned")),
    "migrated": Property(True),
    "tells_migrated": Property(True),
    "read_receipts": Property("all", ("all", "none")),
    "salt_in_history": Property(True),
    "limited_until": Property(None),
    "limit_type": Property("BIZ_QUALITY", ("BIZ_QUALITY", "WEB_COMPANION_ONLY", "DEFAULT")),
    "lock_prolonged_by": Property(0),
    "chat_cap": Property(None),
    "cap_ends": Property(None),
}
"""Properties of accounts: standing with WhatsApp, limits on new chats, privacy settings, what the phone sends."""
CONTACT: Final = {
    "default_timer": Property(0),
    "token_needed": Property(False),
    "number_shown": Property(True),
    "group_add": Property("all", ("all", "none")),
    "picture_shown": Property("all", ("all", "none")),
}
"""Properties of contacts: what WhatsApp holds of a person, and demands of those who write to one."""
GROUP_PROPERTIES: Final = {"receipts": Property("each", ("each", "by_type", "by_message"))}
"""Properties of groups, by address: whether the server aggregates members' receipts, and how."""


class Properties:
    """Each property is a word and survives a restart; a failed transaction changes none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[tuple[str, str], str | None] = {}
        store.on_rollback(self._cache.clear)

    def get(self, number: str, name: str) -> str | None:
        """The word, None where the number has no such property."""
        if (number, name) not in self._cache:
            found = self._store.row(
                "SELECT value FROM properties WHERE number = ? AND name = ?", number, name
            )
            self._cache[number, name] = None if found is None else str(found["value"])
        return self._cache[number, name]

    def put(self, number: str, name: str, value: str | None) -> None:
        """Replaces the word; None removes it."""
        with self._store.transaction():
            if value is None:
                statement = "DELETE FROM properties WHERE number = ? AND name = ?"
                self._store.execute(statement, number, name)
            else:
                statement = (
                    "INSERT OR REPLACE INTO properties (number, name, value) VALUES (?, ?, ?)"
                )
                self._store.execute(statement, number, name, value)
        self._cache[number, name] = value

    def value(self, number: str, name: str, declared: Mapping[str, Property] = ACCOUNT) -> Any:
        """The value of a declared property; its default where the number has none."""
        word, kind = self.get(number, name), declared[name]
        if word is None:
            return kind.default
        return word if kind.words else json.loads(word)

    def change(
        self, number: str, changes: Mapping[str, Any], declared: Mapping[str, Property] = ACCOUNT
    ) -> None:
        """Changes declared properties, all of them or none. Raises PropertyError."""
        with self._store.transaction():
            for name, value in changes.items():
                if name not in declared:
                    raise PropertyError(f"a property is one of {', '.join(declared)}")
                kind = declared[name]
                if not kind.taken(value):
                    words = f"one of {', '.join(kind.words)}" if kind.words else "another value"
                    raise PropertyError(f"{name} must be {words}")
                self.put(number, name, str(value) if kind.words else json.dumps(value))

    def described(self, number: str, declared: Mapping[str, Property] = ACCOUNT) -> dict[str, Any]:
        """The value of each declared property."""
        return {name: self.value(number, name, declared) for name in declared}
