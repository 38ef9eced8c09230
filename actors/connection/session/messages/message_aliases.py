"""The ids under which WhatsApp has what was sent, where an engine cannot keep the service's own."""

from __future__ import annotations

from actors.connection.session.file import SessionFile

ALIAS_SECONDS = 90 * 86_400.0


class Aliases(SessionFile):
    """Maps WhatsApp's ids to the service's, for 90 days.

    A message that was tried again may have several; the newest is the one that others see.
    """

    def note_alias(self, ours: str, theirs: str) -> None:
        """WhatsApp acknowledged the message `ours` under the id `theirs`."""
        self._write(
            "INSERT OR REPLACE INTO aliases (ours, theirs, at) VALUES (?, ?, ?)",
            (ours, theirs, self._clock()),
        )

    def theirs(self, ours: str) -> str | None:
        """WhatsApp's id of a message of the service's; None where none is known."""
        row = self._row(
            "SELECT theirs FROM aliases WHERE ours = ? ORDER BY at DESC LIMIT 1", (ours,)
        )
        return None if row is None else str(row[0])

    def ours(self, theirs: str) -> str | None:
        """The service's id of a message that WhatsApp knows under another."""
        row = self._row("SELECT ours FROM aliases WHERE theirs = ?", (theirs,))
        return None if row is None else str(row[0])

    def prune_aliases(self, now: float) -> None:
        """Drop those that are older than 90 days."""
        self._write("DELETE FROM aliases WHERE at < ?", (now - ALIAS_SECONDS,))
