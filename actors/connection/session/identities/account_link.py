"""Stores in the session file the time at which its account was first linked; later scans do not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile


class AccountLink(SessionPart):
    """The time of the first link; it moves with the session file."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._cache = RowCache(file, self._read)

    @property
    def first_at(self) -> float | None:
        """The time in seconds since the epoch; None before the link, and 0 if an older release linked the account."""
        return self._cache.get()

    def _read(self, _: str) -> float | None:
        row = self._file.row("SELECT linked_at FROM file")
        return None if row is None else row[0]

    def note(self) -> None:
        """Record that the account is linked now, unless an earlier time is stored."""
        self._cache.change()
        self._file.write(
            "UPDATE file SET linked_at = ? WHERE linked_at IS NULL", (self._file.clock(),)
        )
