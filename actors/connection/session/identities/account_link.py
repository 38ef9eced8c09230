"""Stores when the account of a session file was first linked, and the newest time of a clock that never goes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart
from actors.runtime.limits.account_pace import NEW_DAYS
from actors.runtime.limits.durations import DAY, HOUR

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile

INEXACT: Final = float(HOUR)
"""Seconds that do not matter to an age in days: less than that is no clock that was set, and is not stored."""


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class AccountLink(SessionPart):
    """The time of the first link; it moves with the session file, and later scans do not change it.

    The account is never older than it is because a clock was set while the file was open, or was behind for a while: the
    session has a clock of its own, which begins at the later one of the system's and the newest time that is stored,
    and goes at the pace of the kernel's time since boot, which nobody sets and a suspended machine does not stop. Only a clock that is set ahead while the file is closed is taken for right.
    """

    def __init__(self, file: SessionFile) -> None:
        super().__init__(file)
        self._cache = RowCache(file, self._read)
        self._opened = file.clock(), _since_boot()
        self._start: float | None = None

    @property
    def first_at(self) -> float | None:
        """The time in seconds since the epoch, by the system's clock as it is now; None before the link."""
        linked_at, _ = self._cache.get()
        return None if linked_at is None else linked_at - self._ahead()

    def note(self) -> None:
        """Record that the account is linked now, unless an earlier time is stored."""
        self._cache.change()
        self._file.write(
            "UPDATE file SET linked_at = ?1, clock_at = ?1 WHERE linked_at IS NULL", (self._now(),)
        )

    def note_time(self) -> None:
        """Store the time, while the account is new."""
        linked_at, stored = self._cache.get()
        now = self._now()
        if linked_at is not None and now - linked_at < NEW_DAYS * DAY and now - stored > INEXACT:
            self._cache.change()
            self._file.write("UPDATE file SET clock_at = ?", (now,))

    def _now(self) -> float:
        """The time of the session's own clock."""
        return self._file.clock() + self._ahead()

    def _ahead(self) -> float:
        """Seconds by which the session's own clock is ahead of the system's; 0 where they agree."""
        if self._start is None:
            at, since_boot = self._opened
            self._start = max(at, self._cache.get()[1]) - since_boot
        ahead = self._start + _since_boot() - self._file.clock()
        return 0.0 if abs(ahead) < INEXACT else ahead

    def _read(self, _: str) -> tuple[float | None, float]:
        row = self._file.row("SELECT linked_at, coalesce(clock_at, linked_at, 0) FROM file")
        return (None, 0.0) if row is None else row
