"""Stores history-sync notifications in the session file until all messages of the sync are stored."""

from __future__ import annotations

from typing import NamedTuple

from actors.connection.session.session_part import SessionPart


class StoredNotification(NamedTuple):
    """One notification; `done` messages of it are stored here."""

    message_id: str
    notification: bytes
    done: int
    attempts: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message_id})"  # it names keys


class HistorySyncs(SessionPart):
    """A notification is there from the commit that keeps it until all its messages are stored (G5)."""

    def add(self, message_id: str, notification: bytes) -> None:
        """Keep one; a repeat changes nothing."""
        self._file.write(
            "INSERT OR IGNORE INTO histories"
            " (message_id, notification, done, told, attempts, next_at) VALUES (?, ?, 0, 0, 0, 0)",
            (message_id, notification),
        )

    def has(self, message_id: str) -> bool:
        """Whether the notification is kept, for not all its messages are stored."""
        return (
            self._file.row("SELECT 1 FROM histories WHERE message_id = ?", (message_id,))
            is not None
        )

    def due(self, now: float) -> StoredNotification | None:
        """The oldest to be read. One put off to beyond an hour was so before the clock was set."""
        row = self._file.row(
            "SELECT message_id, notification, done, attempts FROM histories"
            " WHERE told = 0 AND (next_at <= ? OR next_at > ?) ORDER BY number LIMIT 1",
            (now, now + 3600.0 + 1.0),
        )
        return None if row is None else StoredNotification(*row)

    def next_at(self) -> float | None:
        """The time at which the next history sync is to be read; None where there is none."""
        row = self._file.row("SELECT min(next_at) FROM histories WHERE told = 0")
        return None if row is None else row[0]

    def ended(self) -> list[str]:
        """Those all of which is stored here, and whose phone is still to hear of it."""
        rows = self._file.rows("SELECT message_id FROM histories WHERE told = 1 ORDER BY number")
        return [row[0] for row in rows]

    def note(self, message_id: str, done: int) -> None:
        """So many of its messages are stored."""
        self._file.write("UPDATE histories SET done = ? WHERE message_id = ?", (done, message_id))

    def put_off(self, message_id: str, next_at: float) -> None:
        """It could not be read now."""
        self._file.write(
            "UPDATE histories SET attempts = attempts + 1, next_at = ? WHERE message_id = ?",
            (next_at, message_id),
        )

    def end(self, message_id: str) -> None:
        """All of it is stored here; forget what it was."""
        self._file.write(
            "UPDATE histories SET told = 1, notification = x'' WHERE message_id = ?", (message_id,)
        )

    def forget(self, message_id: str) -> None:
        """The phone has its receipt, or the sync cannot be read."""
        self._file.write("DELETE FROM histories WHERE message_id = ?", (message_id,))

    def forget_all(self) -> None:
        """Drop what is still to be read: it was for a device that is no more."""
        self._file.write("DELETE FROM histories")
