"""Stores the disappearing-message timers of direct chats in the session file; of two settings the later one wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile

OFF_SECONDS = 90 * 86_400.0
"""Seconds for which it is known that a timer was taken away: no setting from before comes later."""


class DisappearingTimers(SessionPart):
    """Of two settings of a chat the later one counts, in whatever order they come."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._seconds = RowCache(file, self._read_seconds)

    def note(self, chat: str, seconds: int, set_at: float) -> None:
        """Note that messages of the chat disappear after so many seconds; 0: they stay.

        `set_at` is when that was set, in seconds since the epoch.
        """
        self._seconds.change()
        self._file.write(
            "INSERT INTO timers (chat, seconds, set_at) VALUES (?, ?, ?)"
            " ON CONFLICT (chat) DO UPDATE SET seconds = excluded.seconds, set_at = excluded.set_at"
            " WHERE excluded.set_at >= set_at",
            (chat, seconds, set_at),
        )

    def seconds(self, chat: str) -> int:
        """Seconds after which messages of the chat disappear, 0 where they stay."""
        return self._seconds.get(chat)

    def _read_seconds(self, chat: str) -> int:
        row = self._file.row("SELECT seconds FROM timers WHERE chat = ?", (chat,))
        return 0 if row is None else int(row[0])

    def move(self, old: str, new: str) -> None:
        """Timers of the chat `old` are those of `new` from now on."""
        row = self._file.row("SELECT seconds, set_at FROM timers WHERE chat = ?", (old,))
        if row is not None:
            self.note(new, *row)
            self._file.write("DELETE FROM timers WHERE chat = ?", (old,))

    def expired(self, now: float) -> list[Expired]:
        """Timers that were taken away long ago."""
        return [Expired("timers", "seconds = 0 AND set_at < ?", (now - OFF_SECONDS,))]
