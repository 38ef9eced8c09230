"""Stores the names that contacts gave themselves (push names) in the session file."""

from __future__ import annotations

from actors.connection.session.session_part import SessionPart

MAX_PUSH_NAME = 256
NO_NAME = "-"
"""The name that clients give a person who has none."""


class PushNames(SessionPart):
    """The newest name of each person, who is a canonical address."""

    def save(self, person: str, name: str) -> bool:
        """Store the name that a person goes by; True where it is news."""
        if not 0 < len(name) <= MAX_PUSH_NAME or name in (self.find(person), NO_NAME):
            return False
        self._file.write(
            "INSERT OR REPLACE INTO push_names (person, name) VALUES (?, ?)", (person, name)
        )
        return True

    def find(self, person: str) -> str | None:
        """Return the name; None where none is known."""
        row = self._file.row("SELECT name FROM push_names WHERE person = ?", (person,))
        return None if row is None else str(row[0])

    def move(self, old: str, new: str) -> None:
        """Let the name of `old` be that of `new`, unless that has one."""
        self._file.write("UPDATE OR IGNORE push_names SET person = ? WHERE person = ?", (new, old))
        self._file.write("DELETE FROM push_names WHERE person = ?", (old,))

    def forget_all(self) -> None:
        """Drop all names: another account may be linked next."""
        self._file.write("DELETE FROM push_names")
