"""Stores in the session file when its account was linked first; a logout and another scan change nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile


class AccountLink(SessionPart):
    """The time of the first link, which goes wherever the session does."""

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._known = RowCache(file, self._read)

    @property
    def first_at(self) -> float | None:
        """The time in seconds since the epoch; None before it, and 0 where an older release linked it."""
        return self._known.get()

    def _read(self, _: str) -> float | None:
        row = self._file.row("SELECT linked_at FROM file")
        return None if row is None else row[0]

    def note(self) -> None:
        """Note that the account is linked now, unless it was before."""
        self._known.change()
        self._file.write(
            "UPDATE file SET linked_at = ? WHERE linked_at IS NULL", (self._file.clock(),)
        )
