"""History syncs of the account's phone: on disk until all of their messages are stored."""

from __future__ import annotations

from typing import NamedTuple

from actors.connection.session.file import SessionFile

LONGEST_NAME = 256
NO_NAME = "-"
"""The name that clients give a person who has none."""


class Told(NamedTuple):
    """One notification; `done` messages of it are stored here."""

    message_id: str
    notification: bytes
    done: int
    attempts: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message_id})"  # it names keys


class Histories(SessionFile):
    """A notification is there from the commit that keeps it until all it tells is stored (G5)."""

    def add_history(self, message_id: str, notification: bytes) -> None:
        """Keep one; a repeat changes nothing."""
        self._write(
            "INSERT OR IGNORE INTO histories"
            " (message_id, notification, done, told, attempts, next_at) VALUES (?, ?, 0, 0, 0, 0)",
            (message_id, notification),
        )

    def has_history(self, message_id: str) -> bool:
        """Whether the notification is kept, for not all that it tells is stored."""
        return self._row("SELECT 1 FROM histories WHERE message_id = ?", (message_id,)) is not None

    def due_history(self, now: float) -> Told | None:
        """The oldest to be read. One put off to beyond an hour was so before the clock was set."""
        row = self._row(
            "SELECT message_id, notification, done, attempts FROM histories"
            " WHERE told = 0 AND (next_at <= ? OR next_at > ?) ORDER BY number LIMIT 1",
            (now, now + 3600.0 + 1.0),
        )
        return None if row is None else Told(*row)

    def next_history_at(self) -> float | None:
        """The time at which the next history sync is to be read; None where there is none."""
        row = self._row("SELECT min(next_at) FROM histories WHERE told = 0")
        return None if row is None else row[0]

    def ended_histories(self) -> list[str]:
        """Those all of which is stored here, and whose phone is still to hear of it."""
        rows = self._rows("SELECT message_id FROM histories WHERE told = 1 ORDER BY number")
        return [row[0] for row in rows]

    def note_history(self, message_id: str, done: int) -> None:
        """So many of its messages are stored."""
        self._write("UPDATE histories SET done = ? WHERE message_id = ?", (done, message_id))

    def put_off_history(self, message_id: str, next_at: float) -> None:
        """It could not be read now."""
        self._write(
            "UPDATE histories SET attempts = attempts + 1, next_at = ? WHERE message_id = ?",
            (next_at, message_id),
        )

    def end_history(self, message_id: str) -> None:
        """All of it is stored here; forget what it was."""
        self._write(
            "UPDATE histories SET told = 1, notification = x'' WHERE message_id = ?", (message_id,)
        )

    def forget_history(self, message_id: str) -> None:
        """The phone knows, or nothing will come of it."""
        self._write("DELETE FROM histories WHERE message_id = ?", (message_id,))

    def save_push_name(self, person: str, name: str) -> bool:
        """Store the name that a person (a canonical address) goes by; True where it is news."""
        if not 0 < len(name) <= LONGEST_NAME or name in (self.push_name(person), NO_NAME):
            return False
        self._write(
            "INSERT OR REPLACE INTO push_names (person, name) VALUES (?, ?)", (person, name)
        )
        return True

    def push_name(self, person: str) -> str | None:
        row = self._row("SELECT name FROM push_names WHERE person = ?", (person,))
        return None if row is None else str(row[0])

    def forget_histories(self) -> None:
        """Drop what is still to be read: it was told to a device that is no more."""
        self._write("DELETE FROM histories")
        self._write("DELETE FROM push_names")
