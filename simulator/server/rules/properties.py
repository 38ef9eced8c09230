"""Named properties of phone numbers, kept in one table and cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.store import Store

EVERYONE: Final = ""
"""In the place of a number: what holds for all that have no property of their own."""


class Properties:
    """Each property is a word, and survives a restart; a failed transaction changes none."""

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
